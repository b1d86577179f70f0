import { stringOf, valueAt } from '#lib/formats'
import type { MigrateRules } from '../rule.ts'
import { groupOf, kindsOf, type Source } from '../source.ts'
import type { Work } from '../work.ts'

const group = 'azconfig.io'

const appConfigRules = {
  KM501: {
    title: 'reads Key Vault references of App Configuration',
    severity: 'error',
    why: 'Which secrets the provider resolves is decided by key-values in App Configuration, not by the manifest. Keymount reads from vaults that a class names.',
    right:
      'keep the provider for configuration; write a class and a SecretSync for the secrets: az appconfig kv list --resolve-keyvault false lists the references',
  },
  KM502: {
    title: 'no Key Vault reference',
    severity: 'info',
    why: 'The provider makes a ConfigMap only. Keymount does not replace it.',
    right: 'keep the provider',
  },
} as const satisfies MigrateRules

/** Azure App Configuration Kubernetes Provider. https://learn.microsoft.com/azure/azure-app-configuration/reference-kubernetes-provider */
export const appConfigSource: Source = {
  name: 'appconfig',
  title: 'Azure App Configuration Kubernetes Provider',
  rules: appConfigRules,
  kinds: kindsOf(group, ['AzureAppConfigurationProvider']),
  owns: (manifest) => groupOf(manifest) === group,
  notes: ['Configuration stays with the provider; only the secrets that it resolves can move.'],
  convert(work, input) {
    if (work.recordAt('spec', 'secret') === undefined) {
      work.add('KM502', 'it has no secret section')
      return undefined
    }
    const name = work.textAt('spec', 'secret', 'target', 'secretName')
    const keys = input.keysOfSecret(work.manifest.namespace, name)
    const path = ['spec', 'secret']
    const listed = 'why' in keys ? `the references are not known: ${keys.why}` : `references: ${shortened(keys)}`
    const found = `it resolves Key Vault references into the Secret "${name}" (${listed}${vaultsOf(work)})`
    work.add('KM501', found, { path })
    return undefined
  },
}

const maxListed = 50

function shortened(names: readonly string[]): string {
  const more = names.length > maxListed ? ` and ${names.length - maxListed} more` : ''
  return `${names.slice(0, maxListed).join(', ')}${more}`
}

function vaultsOf(work: Work): string {
  const vaults = work
    .listAt('spec', 'secret', 'auth', 'keyVaults')
    .flatMap((one) => stringOf(valueAt(one, 'uri')) ?? [])
  return vaults.length === 0 ? '' : `; vaults: ${shortened(vaults)}`
}

import { stringOf, valueAt } from '#lib/formats'
import { type Draft, editedDraft } from '../draft.ts'
import type { Input } from '../input.ts'
import type { MigrateRules } from '../rule.ts'
import { groupOf, kindsOf, type Source } from '../source.ts'
import type { Work } from '../work.ts'
import { convertSecretSync } from './sse.ts'

const group = 'secret-sync.gke.io'

const gkeRules = {
  KM302: {
    title: 'labels are a list',
    severity: 'error',
    why: 'Labels and annotations of a SecretSync are mappings; the API server refuses a list.',
    right: 'labels: { NAME: VALUE }',
  },
  KM401: {
    title: 'provider is Google’s',
    severity: 'error',
    why: 'The class reads from Google Secret Manager, by a provider that only GKE has. Keymount’s driver and sync controller work with any provider whose socket they find.',
    right: '--provider-map gke=gcp with Google’s open provider installed, or a class for Azure Key Vault',
  },
  KM402: {
    title: 'class of the SecretSync is missing',
    severity: 'error',
    why: 'Whose secrets the SecretSync reads, and whether its provider runs outside of GKE, is in the class.',
    right: 'add the SecretProviderClass to the input',
  },
} as const satisfies MigrateRules

const googleProviders: ReadonlySet<string> = new Set(['gke', 'gcp'])

/** GKE’s Secret Manager add-on: its SecretSync has the same fields in a group of Google’s. https://docs.cloud.google.com/secret-manager/docs/sync-k8-secrets */
export const gkeSource: Source = {
  name: 'gke',
  title: 'GKE Secret Manager add-on',
  rules: gkeRules,
  kinds: kindsOf(group, ['SecretSync']),
  owns: (manifest) =>
    groupOf(manifest) === group ||
    (manifest.kind === 'SecretProviderClass' && googleProviders.has(providerOf(manifest.value))),
  notes: [
    'Only the group of a SecretSync changes. Pods that name the driver `secrets-store-gke.csi.k8s.io` have to name `secrets-store.csi.k8s.io`.',
  ],
  convert(work, input) {
    if (work.manifest.kind === 'SecretProviderClass') return convertClass(work, input)
    if (work.manifest.kind !== 'SecretSync') {
      work.add('KM009', `the kind ${work.manifest.kind}`)
      return undefined
    }
    const name = work.textAt('spec', 'secretProviderClassName')
    const [secretClass] = input.named('SecretProviderClass', name, work.manifest)
    if (secretClass === undefined) {
      const path = ['spec', 'secretProviderClassName']
      work.add('KM402', `SecretProviderClass "${name}" is not in the input`, { path })
      return undefined
    }
    const changes = [{ path: ['apiVersion'], value: 'secret-sync.x-k8s.io/v1alpha1' }]
    const draft = convertSecretSync(work, input, changes)
    return draft === undefined ? undefined : { ...draft, needs: [secretClass] }
  },
}

function providerOf(value: unknown): string {
  return stringOf(valueAt(value, 'spec', 'provider')) ?? ''
}

function convertClass(work: Work, { options }: Input): Draft | undefined {
  const provider = providerOf(work.manifest.value)
  const mapped = options.providerMap.get(provider)
  const path = ['spec', 'provider']
  if (mapped === undefined) {
    work.add('KM401', `the provider is ${provider}`, { path })
    return undefined
  }
  return editedDraft(work, mapped === provider ? [] : [{ path, value: mapped }])
}

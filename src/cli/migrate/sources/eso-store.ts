import type { Manifest, Path } from '#azure/lint'
import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import type { Input } from '../input.ts'
import type { Work } from '../work.ts'
import { cloudNames, vaultNameOf } from './vault-address.ts'

/** Vault and identity of a store. */
export interface StoreParameters {
  vaultName: string
  /** Of a class; empty for the public cloud. */
  cloudName: string
  tenantId: string
  clientId: string
  /** Client id of a managed identity of the node, empty for its only one; undefined for workload identity. */
  managedIdentity: string | undefined
  account: string
}

/** The store that a reference names, read for this object. Undefined, with a finding, where it cannot be used. */
export function readStore(work: Work, input: Input, reference: unknown, path: Path): StoreParameters | undefined {
  const name = stringOf(valueAt(reference, 'name')) ?? ''
  const kind = stringOf(valueAt(reference, 'kind')) ?? 'SecretStore'
  const beside = kind === 'ClusterSecretStore' ? { namespace: '' } : work.manifest
  const store = input.named(kind, name, beside)[0]
  if (store === undefined) {
    work.add('KM101', `${kind} "${name}" is not in the input`, { path })
    return undefined
  }
  const azure = recordOf(valueAt(store.value, 'spec', 'provider', 'azurekv'))
  if (azure === undefined) {
    const [other = 'none'] = Object.keys(recordOf(valueAt(store.value, 'spec', 'provider')) ?? {})
    work.add('KM102', `${kind} "${name}" reads from the provider ${other}`, { path })
    return undefined
  }
  reportConditions(work, store)
  return readAzure({ work, input, store, azure })
}

/** Anyone can write an ExternalSecret that names a store for other namespaces: the operator then reads nothing for it. */
function reportConditions(work: Work, store: Manifest): void {
  if (store.kind !== 'ClusterSecretStore') return
  const conditions = listOf(valueAt(store.value, 'spec', 'conditions')) ?? []
  const { namespace } = work.manifest
  const isNamed = conditions.some((one) => (listOf(valueAt(one, 'namespaces')) ?? []).includes(namespace))
  if (conditions.length > 0 && !isNamed)
    work.add('KM107', `conditions of ${store.kind} "${store.name}" do not name namespace "${namespace}"`, {
      of: store,
      path: ['spec', 'conditions'],
    })
}

const base: Path = ['spec', 'provider', 'azurekv']

const storeFields = new Set([
  'vaultUrl',
  'tenantId',
  'environmentType',
  'authType',
  'serviceAccountRef',
  'authSecretRef',
  'identityId',
  // Which SDK the operator itself uses.
  'useAzureSDK',
])

interface Reading {
  work: Work
  input: Input
  store: Manifest
  azure: Record<string, unknown>
}

function readAzure(reading: Reading): StoreParameters | undefined {
  const { work, store, azure } = reading
  for (const field of Object.keys(azure))
    if (!storeFields.has(field))
      work.add('KM106', `${field} of ${store.kind} "${store.name}"`, { of: store, path: [...base, field] })
  const vault = readVault(reading)
  const identity = readIdentity(reading)
  return vault === undefined || identity === undefined || work.failed ? undefined : { ...vault, ...identity }
}

function readVault({ work, store, azure }: Reading): Pick<StoreParameters, 'vaultName' | 'cloudName'> | undefined {
  const environment = stringOf(azure.environmentType) ?? ''
  const cloudName = cloudNames[environment]
  if (cloudName === undefined) {
    work.add('KM106', `environmentType ${environment} of ${store.kind} "${store.name}"`, {
      of: store,
      path: [...base, 'environmentType'],
    })
    return undefined
  }
  const vaultName = vaultNameOf(stringOf(azure.vaultUrl) ?? '', cloudName)
  if (vaultName === undefined) {
    const what = `vaultUrl of ${store.kind} "${store.name}" is not the address of a vault in ${cloudName}`
    work.add('KM008', what, { of: store, path: [...base, 'vaultUrl'] })
    return undefined
  }
  return { vaultName, cloudName: cloudName === 'AzurePublicCloud' ? '' : cloudName }
}

type Identity = Pick<StoreParameters, 'tenantId' | 'clientId' | 'managedIdentity' | 'account'>

function readIdentity(reading: Reading): Identity | undefined {
  const { work, store, azure, input } = reading
  const { options } = input
  const authType = stringOf(azure.authType) ?? 'ServicePrincipal'
  const tenantId = options.tenantId ?? stringOf(azure.tenantId) ?? ''
  const at = (field: string) => ({ of: store, path: [...base, field] })
  switch (authType) {
    case 'WorkloadIdentity':
      return readWorkloadIdentity(reading, tenantId)
    case 'ManagedIdentity': {
      const managedIdentity = stringOf(azure.identityId) ?? ''
      // Which account a SecretSync names does not matter to an identity of the node.
      return { tenantId, clientId: '', managedIdentity, account: options.serviceAccount ?? 'default' }
    }
    case 'ServicePrincipal':
      work.add('KM103', `${store.kind} "${store.name}" has authType ServicePrincipal`, at('authType'))
      return undefined
    default:
      work.add('KM106', `authType ${authType.slice(0, 60)} of ${store.kind} "${store.name}"`, at('authType'))
      return undefined
  }
}

function readWorkloadIdentity({ work, store, azure, input }: Reading, tenantId: string): Identity | undefined {
  const { options } = input
  const reference = recordOf(azure.serviceAccountRef)
  const named = stringOf(reference?.name)
  const namespace = stringOf(reference?.namespace)
  const refPath = [...base, 'serviceAccountRef']
  const isElsewhere =
    store.kind === 'ClusterSecretStore' && namespace !== undefined && namespace !== work.manifest.namespace
  if (options.serviceAccount === undefined && named === undefined)
    work.add('KM005', `${store.kind} "${store.name}" reads as the operator's own account`, { of: store, path: base })
  else if (options.serviceAccount === undefined && isElsewhere)
    work.add('KM104', `${store.kind} "${store.name}" reads as account "${named}" of namespace "${namespace}"`, {
      of: store,
      path: [...refPath, 'namespace'],
    })
  if ((listOf(reference?.audiences) ?? []).length > 0)
    work.add('KM106', `audiences of ${store.kind} "${store.name}"`, { of: store, path: [...refPath, 'audiences'] })
  reportIdsOfSecret({ work, store, azure, input })
  if (work.failed) return undefined
  const account = options.serviceAccount ?? named ?? ''
  return { tenantId, clientId: options.clientId ?? '', managedIdentity: undefined, account }
}

function reportIdsOfSecret({ work, store, azure, input }: Reading): void {
  const { clientId, tenantId } = input.options
  const given = { clientId, tenantId }
  for (const field of ['clientId', 'tenantId'] as const)
    if (valueAt(azure, 'authSecretRef', field) !== undefined && given[field] === undefined) {
      const path = [...base, 'authSecretRef', field]
      work.add('KM105', `${store.kind} "${store.name}" takes ${field} from a Secret`, { of: store, path })
    }
}

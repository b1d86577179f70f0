import { clientIdAnnotation, tokenExchangeAudience } from '#azure/identity'
import { isUuid } from '#lib'
import { listOf, recordOf, stringOf, valueAt } from '#lib/formats'
import type { ClassManifest } from '../class-manifest.ts'
import type { ManifestSet } from '../manifest-set.ts'
import { type ClassVolume, type PodManifest, secretsDriver } from '../pod-manifest.ts'
import type { Manifest } from '../read-manifests.ts'
import type { RuleFinding, RuleTable } from '../rule.ts'

/** Entra accepts this many federated credentials for one application or managed identity. */
const maxSubjects = 20

export const identityRules = {
  KL301: {
    title: 'no identity to sign in as',
    severity: 'error',
    exception: 'warning where the account is not in the input',
    why: 'Neither the class nor the service account names a client id, and the volume has no nodePublishSecretRef.',
    right: `clientID in the class, or the annotation ${clientIdAnnotation} of the service account`,
    check: noIdentity,
  },
  KL302: {
    title: 'several accounts for one client id',
    severity: 'info',
    why: 'Each service account is a subject of its own: the identity needs a federated credential for each.',
    right: 'one federated credential per service account, or one identity per account',
    check: severalAccounts,
  },
  KL303: {
    title: 'more than 20 subjects for one client id',
    severity: 'warning',
    why: 'An application or managed identity has at most 20 federated credentials; tokens of further accounts are refused.',
    right: 'several identities, or an identity binding (useAzureTokenProxy): keymount identity plan',
    check: manySubjects,
  },
  KL304: {
    title: 'client id is not an id',
    severity: 'warning',
    why: 'Entra wants the client id (a UUID): neither the name nor the resource id nor the URI of an identity works.',
    right: 'the clientId that az identity show prints',
    check: notAnId,
  },
  KL305: {
    title: 'CSIDriver asks for no token',
    severity: 'error',
    why: 'Without this audience kubelet passes no token to the driver, and workload identity cannot sign in.',
    right: `tokenRequests: [{audience: ${tokenExchangeAudience}}]`,
    check: noTokenRequest,
  },
  KL306: {
    title: 'credentials are not used',
    severity: 'warning',
    why: 'A class that signs in by a managed identity or pod identity does not read nodePublishSecretRef.',
    right: 'remove nodePublishSecretRef, or the parameter of the other identity',
    check: unusedCredentials,
  },
  KL307: {
    title: 'service account is not in the input',
    severity: 'info',
    why: 'The identity comes from the annotation of this account, which cannot be checked.',
    right: `a ServiceAccount with the annotation ${clientIdAnnotation}`,
    check: missingAccount,
  },
} as const satisfies RuleTable

interface Mount {
  pod: PodManifest
  volume: ClassVolume
  found: ClassManifest
}

function* noIdentity(set: ManifestSet): Generator<RuleFinding> {
  for (const mount of mounts(set)) {
    if (!needsAccount(mount)) continue
    const { pod, volume } = mount
    const name = pod.account || 'default'
    const accounts = set.accountNamed(name, pod.manifest)
    if (accounts.some((one) => clientIdOf(one) !== '') || (accounts.length === 0 && pod.account !== '')) continue
    const path = [...volume.path, 'csi', 'volumeAttributes', 'secretProviderClass']
    const message = `class "${volume.className}" names no clientID, and service account "${name}" has no annotation ${clientIdAnnotation}`
    // The account of a namespace may be annotated elsewhere.
    yield { manifest: pod.manifest, path, message, severity: accounts.length === 0 ? 'warning' : 'error' }
  }
}

function clientIdOf(account: Manifest): string {
  return stringOf(valueAt(account.value, 'metadata', 'annotations', clientIdAnnotation))?.trim() ?? ''
}

/** Whether a volume signs in by workload identity with the client id of the pod's account. */
function needsAccount({ volume, found }: Mount): boolean {
  const identity = found.spec?.identity
  return (
    identity?.signIn === 'default' &&
    identity.clientId === '' &&
    !hasText(volume.attributes.clientID) &&
    volume.csi.nodePublishSecretRef === undefined
  )
}

function hasText(value: unknown): boolean {
  return typeof value === 'string' && value.trim() !== ''
}

/** Volumes of classes of the provider azure that are in the set. */
function* mounts({ pods, classNamed }: ManifestSet): Generator<Mount> {
  for (const pod of pods)
    for (const volume of pod.classVolumes) {
      const [found] = classNamed(volume.className, pod.manifest)
      if (found?.provider === 'azure') yield { pod, volume, found }
    }
}

function* missingAccount(set: ManifestSet): Generator<RuleFinding> {
  for (const mount of mounts(set)) {
    const { pod } = mount
    if (!needsAccount(mount) || pod.account === '' || set.accountNamed(pod.account, pod.manifest).length > 0) continue
    const message = `service account "${pod.account}" is not in the input`
    yield { manifest: pod.manifest, path: [...pod.path, 'spec', 'serviceAccountName'], message }
  }
}

function* severalAccounts(set: ManifestSet): Generator<RuleFinding> {
  for (const [one, users] of Map.groupBy(mounts(set), ({ found }) => found)) {
    const clientId = one.spec?.identity.clientId ?? ''
    if (clientId === '' || one.spec?.identity.signIn !== 'default') continue
    if (users.every(({ volume }) => volume.csi.nodePublishSecretRef !== undefined)) continue
    const accounts = [...new Set(users.map(({ pod }) => pod.account || 'default'))]
    if (accounts.length < 2) continue
    const message = `pods of the service accounts ${accounts.slice(0, 10).join(', ')} sign in as one clientID`
    yield { manifest: one.manifest, path: ['spec', 'parameters', 'clientID'], message }
  }
}

function* manySubjects(set: ManifestSet): Generator<RuleFinding> {
  for (const [clientId, subjects] of subjectsByClient(set)) {
    const manifest = [...subjects.values()][maxSubjects]
    if (manifest === undefined) continue
    const path = manifest.kind === 'ServiceAccount' ? ['metadata', 'annotations', clientIdAnnotation] : []
    const message = `client id ${clientId} is used by ${subjects.size} service accounts of the input; Entra accepts ${maxSubjects} federated credentials`
    yield { manifest, path, message }
  }
}

/** Subjects (namespace and account) by the client id that they sign in as. */
function subjectsByClient(set: ManifestSet): Map<string, Map<string, Manifest>> {
  const clients = new Map<string, Map<string, Manifest>>()
  const add = (clientId: string, account: string, beside: Manifest) => {
    if (clientId === '') return
    const subjects = clients.get(clientId.toLowerCase()) ?? new Map<string, Manifest>()
    clients.set(clientId.toLowerCase(), subjects)
    const subject = `${beside.namespace}:${account}`
    if (!subjects.has(subject)) subjects.set(subject, beside)
  }
  for (const account of set.accounts) add(clientIdOf(account), account.name, account)
  for (const { pod, found } of mounts(set))
    if (found.spec?.identity.signIn === 'default')
      add(found.spec.identity.clientId, pod.account || 'default', pod.manifest)
  return clients
}

function* notAnId({ classes, accounts, pods }: ManifestSet): Generator<RuleFinding> {
  const shown = (text: string) => JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
  for (const { manifest, provider, parameters } of classes)
    for (const name of provider === 'azure' ? ['clientID', 'userAssignedIdentityID'] : []) {
      const text = parameters.get(name)?.trim() ?? ''
      if (text !== '' && !mayBeId(text))
        yield { manifest, path: ['spec', 'parameters', name], message: `${name} is ${shown(text)}` }
    }
  for (const manifest of accounts) {
    const text = clientIdOf(manifest)
    const path = ['metadata', 'annotations', clientIdAnnotation]
    if (text !== '' && !mayBeId(text)) yield { manifest, path, message: `${clientIdAnnotation} is ${shown(text)}` }
  }
  for (const { manifest, classVolumes } of pods)
    for (const { path, attributes } of classVolumes) {
      const text = stringOf(attributes.clientID)?.trim() ?? ''
      const at = [...path, 'csi', 'volumeAttributes', 'clientID']
      if (text !== '' && !mayBeId(text)) yield { manifest, path: at, message: `clientID is ${shown(text)}` }
    }
}

/** A UUID, or something that is filled in before the manifest is applied. */
function mayBeId(text: string): boolean {
  return isUuid(text) || /[$<>{}[\]]|^(your|my)?[-_ ]?[a-z_]*client[-_ ]?id[a-z_ ]*$|^[A-Z_]+$/i.test(text)
}

function* noTokenRequest({ manifests }: ManifestSet): Generator<RuleFinding> {
  for (const manifest of manifests) {
    if (manifest.kind !== 'CSIDriver' || manifest.name !== secretsDriver) continue
    const requests = listOf(valueAt(manifest.value, 'spec', 'tokenRequests')) ?? []
    const audiences = requests.flatMap((one) => stringOf(recordOf(one)?.audience) ?? [])
    if (audiences.includes(tokenExchangeAudience)) continue
    const found = audiences.length === 0 ? 'has no tokenRequests' : `asks for tokens of ${audiences.join(', ')} only`
    yield { manifest, path: ['spec', 'tokenRequests'], message: `CSIDriver ${found}` }
  }
}

function* unusedCredentials(set: ManifestSet): Generator<RuleFinding> {
  for (const { pod, volume, found } of mounts(set)) {
    const signIn = found.spec?.identity.signIn
    if (volume.csi.nodePublishSecretRef === undefined || signIn === undefined || signIn === 'default') continue
    const path = [...volume.path, 'csi', 'nodePublishSecretRef']
    const way = { 'pod-identity': 'pod identity', managed: 'a managed identity' }[signIn as string] ?? signIn
    yield {
      manifest: pod.manifest,
      path,
      message: `class "${volume.className}" signs in by ${way} and ignores nodePublishSecretRef`,
    }
  }
}

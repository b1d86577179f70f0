import { printManifests } from '../../manifests/print-manifests.ts'
import { bindingAnnotation, identityAnnotations } from '../identity-keys.ts'
import type { IdentityPlan, ManifestChange } from './identity-plan.ts'

interface ManifestObject {
  apiVersion: string
  kind: string
  metadata: Record<string, unknown>
  [field: string]: unknown
}

const rbac = 'rbac.authorization.k8s.io'

/** By cluster, the objects that let service accounts use a bound identity. https://learn.microsoft.com/azure/aks/identity-bindings */
export function permissionManifests({
  clientId,
  clusterRole,
  roleClusters,
  permissions,
}: IdentityPlan): Map<string, ManifestObject[]> {
  const found = new Map<string, ManifestObject[]>()
  const add = (cluster: string, object: ManifestObject) => found.set(cluster, [...(found.get(cluster) ?? []), object])
  for (const cluster of roleClusters)
    add(cluster, {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRole',
      metadata: { name: clusterRole },
      rules: [{ apiGroups: ['cid.wi.aks.azure.com'], resources: [clientId], verbs: ['use-managed-identity'] }],
    })
  for (const { cluster, namespace, account, name } of permissions)
    add(cluster, {
      apiVersion: `${rbac}/v1`,
      kind: 'ClusterRoleBinding',
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name: clusterRole },
      subjects: [{ kind: 'ServiceAccount', namespace, name: account }],
    })
  return found
}

/** A JSON merge patch (RFC 7386) of the object that changes. */
export function changePatch(change: ManifestChange, client: string): Record<string, unknown> {
  switch (change.kind) {
    case 'account-client':
      return { metadata: { annotations: { [identityAnnotations.clientId]: client } } }
    case 'class-client':
      return { spec: { parameters: { clientID: client } } }
    case 'class-without-client':
      return { spec: { parameters: { clientID: null } } }
    case 'class-through-proxy':
      return { spec: { parameters: { useAzureTokenProxy: 'true' } } }
    case 'workload-through-proxy':
      return nested(change.workload.podPath, { metadata: { annotations: { [bindingAnnotation]: 'true' } } })
    default:
      throw new Error(`unknown change ${JSON.stringify(change satisfies never)}`)
  }
}

function nested(path: readonly (string | number)[], inner: Record<string, unknown>): Record<string, unknown> {
  return path.reduceRight<Record<string, unknown>>((value, step) => ({ [step]: value }), inner)
}

/** The whole patch of a change, with the object that it is for. */
function changeManifest(change: ManifestChange, client: string): ManifestObject {
  const { namespace, name } = change
  const patch = changePatch(change, client)
  const metadata = { name, namespace, ...(patch.metadata as Record<string, unknown> | undefined) }
  return { ...identityOf(change), ...patch, metadata }
}

function identityOf(change: ManifestChange): Pick<ManifestObject, 'apiVersion' | 'kind'> {
  if (change.kind === 'account-client') return { apiVersion: 'v1', kind: 'ServiceAccount' }
  if (change.kind === 'workload-through-proxy') {
    const { apiVersion, kind } = change.workload
    return { apiVersion, kind }
  }
  return { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClass' }
}

/**
 * What changes in the clusters, by file: `manifests/CLUSTER.yaml` is for kubectl apply; each file below `patches/CLUSTER` is a merge patch
 * for the object that it names. The client id of an identity that is still to be made is `CLIENT_ID_OF_NAME`.
 */
export function manifestFiles(plans: readonly IdentityPlan[]): Map<string, string> {
  const files = new Map<string, string>()
  for (const plan of plans) {
    for (const [cluster, objects] of permissionManifests(plan)) {
      const name = `manifests/${cluster}.yaml`
      const text = printManifests(objects.map((object) => ({ object })))
      files.set(name, [files.get(name), text].filter((part) => part !== undefined).join('---\n'))
    }
    for (const change of plan.changes) {
      const part = 'part' in change ? change.part : 0
      const client = part === 0 ? plan.clientId : `CLIENT_ID_OF_${plan.parts[part]?.newName ?? ''}`
      const object = changeManifest(change, client)
      const file = `patches/${change.cluster}/${change.namespace}/${object.kind.toLowerCase()}-${change.name}.yaml`
      files.set(file, printManifests([{ object }]))
    }
  }
  return files
}

import type { KubeClient, KubeObject, OwnerReference, Resource, UntypedObject } from '#kubernetes/client'

/** Kinds that create pods, with their API group and plural. */
const workloadKinds: Record<string, { group: string; plural: string }> = {
  ReplicationController: { group: '', plural: 'replicationcontrollers' },
  Deployment: { group: 'apps', plural: 'deployments' },
  StatefulSet: { group: 'apps', plural: 'statefulsets' },
  DaemonSet: { group: 'apps', plural: 'daemonsets' },
  ReplicaSet: { group: 'apps', plural: 'replicasets' },
  Job: { group: 'batch', plural: 'jobs' },
  CronJob: { group: 'batch', plural: 'cronjobs' },
}

/** The resource of a kind that creates pods; undefined for any other kind. */
export function workloadResource({
  apiVersion,
  kind,
}: Pick<OwnerReference, 'apiVersion' | 'kind'>): Resource | undefined {
  const row = workloadKinds[kind]
  if (row === undefined || groupOf(apiVersion) !== row.group) return undefined
  return { ...row, kind, version: apiVersion.split('/').at(-1) ?? 'v1', namespaced: true }
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
}

export function controllerOf({ metadata }: KubeObject): OwnerReference | undefined {
  return metadata.ownerReferences?.find(({ controller }) => controller === true)
}

/**
 * The owner at the top of the chain of controllers; the object itself if it has no controller. Throws if a controller is of
 * an unknown kind, since it is not known what that would do with a change.
 */
export async function topOwner(kube: KubeClient, object: KubeObject): Promise<KubeObject> {
  const owner = controllerOf(object)
  if (owner === undefined) return object
  const resource = workloadResource(owner)
  if (resource === undefined) {
    throw new Error(`${object.kind} ${object.metadata.name} is controlled by ${owner.kind} ${owner.name}: unknown kind`)
  }
  const { namespace } = object.metadata
  const found: UntypedObject = await kube.get(resource, { namespace, name: owner.name })
  return topOwner(kube, { ...found, apiVersion: owner.apiVersion, kind: owner.kind })
}

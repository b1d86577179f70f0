import {
  type KubeClient,
  type KubeObject,
  type OwnerReference,
  type Resource,
  resources,
  type UntypedObject,
  untyped,
} from '#kubernetes/client'

/** Kinds that create pods. */
const workloadKinds: readonly Resource[] = [
  resources.replicationControllers,
  resources.deployments,
  resources.statefulSets,
  untyped(resources.daemonSets),
  resources.replicaSets,
  resources.jobs,
  resources.cronJobs,
]

/** The resource of a kind that creates pods; undefined for any other kind. */
export function workloadResource({
  apiVersion,
  kind,
}: Pick<OwnerReference, 'apiVersion' | 'kind'>): Resource | undefined {
  const found = workloadKinds.find((one) => one.kind === kind && one.group === groupOf(apiVersion))
  return found && { ...found, version: apiVersion.split('/').at(-1) ?? 'v1' }
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
}

export function controllerOf({ metadata }: Pick<KubeObject, 'metadata'>): OwnerReference | undefined {
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

import { ifFound, type KubeClient, type KubeObject, type ObjectRef, type Resource } from '#kubernetes/client'

/** An object; undefined if there is none of this name. */
export async function findObject<T extends KubeObject>(
  kube: KubeClient,
  resource: Resource<T>,
  ref: ObjectRef,
): Promise<T | undefined> {
  return ref.name === '' ? undefined : ifFound(kube.get(resource, ref))
}

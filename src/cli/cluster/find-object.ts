import { isNotFound, type KubeClient, type KubeObject, type ObjectRef, type Resource } from '#kubernetes/client'

/** An object; undefined if there is none of this name. */
export async function findObject<T extends KubeObject>(
  kube: KubeClient,
  resource: Resource<T>,
  ref: ObjectRef,
): Promise<T | undefined> {
  if (ref.name === '') return undefined
  try {
    return await kube.get(resource, ref)
  } catch (error) {
    if (isNotFound(error)) return undefined
    throw error
  }
}

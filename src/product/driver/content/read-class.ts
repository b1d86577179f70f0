import { isNotFound, KubeError, pathOf, resources, type SecretProviderClass } from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import { errorMessage, nearestName } from '#lib'
import { listOf, parseJson, stringOf, valueAt } from '#lib/formats'
import { driverLimits } from '../driver-limits.ts'
import type { Node } from '../node.ts'
import { codedText } from '../rpc/coded-text.ts'
import { PublishError } from '../rpc/publish-error.ts'
import { type ClassRef, classKey } from './class-ref.ts'

/** Reads a class from the API server. Throws {@link PublishError}. */
export async function readClass(node: Node, ref: ClassRef, signal?: AbortSignal): Promise<SecretProviderClass> {
  const { kube, classReads } = node
  try {
    const read = () => kube.get(resources.secretProviderClasses, ref, { signal })
    return await classReads.run(ref.namespace, read, signal)
  } catch (error) {
    if (signal?.aborted && error === signal.reason) throw error
    // This text is a contract: upstream's test suites look for it in the pod's event.
    const message = `failed to get secretproviderclass ${classKey(ref)}, error: ${errorMessage(error)}`
    const code = error instanceof KubeError && error.retryable ? Code.UNAVAILABLE : Code.UNKNOWN
    const text = isNotFound(error)
      ? codedText('class-not-found', `${message}${await adviceFor(node, ref)}`)
      : codedText('class-unreadable', message)
    throw new PublishError('SecretProviderClassNotFound', code, text, { cause: error })
  }
}

/** Names that are compared: one page of a list, however many classes a namespace has. */
const maxNames = 200

/** What to do: `; did you mean X?`, for a class of the namespace with a similar name. */
async function adviceFor({ kube, classLists }: Node, { namespace, name }: ClassRef): Promise<string> {
  const path = `${pathOf(resources.secretProviderClasses, { namespace })}?limit=${maxNames}`
  const headers = { accept: 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json' }
  try {
    // Callers share it: none of them ends it.
    const list = () => kube.raw({ method: 'GET', path, headers, timeoutMs: 2000 })
    const text = await classLists(namespace, list)
    const items = listOf(valueAt(parseJson('the list of classes', text), 'items')) ?? []
    const near = nearestName(
      name,
      items.map((item) => stringOf(valueAt(item, 'metadata', 'name')) ?? ''),
    )
    if (near !== undefined) return `; did you mean ${near}?`
  } catch {
    // A hint is not worth another error.
  }
  return `; a pod can only use a class of its own namespace: kubectl get secretproviderclass -n ${namespace}`
}

/** The class that is held, if the watch has seen no other since, or else as the API server has it. Throws {@link PublishError}. */
export async function currentClass(node: Node, ref: ClassRef, signal?: AbortSignal): Promise<SecretProviderClass> {
  const watched = node.watchedClasses.get(classKey(ref))
  if (watched?.held !== undefined) return watched.held
  const object = await readClass(node, ref, signal)
  const isSeen = object.metadata.resourceVersion === watched?.metadata?.resourceVersion
  if (watched !== undefined && isSeen && isSmall(object)) watched.held = object
  return object
}

/** Its author decides how large it is, for each of the classes that are mounted. */
function isSmall(object: SecretProviderClass): boolean {
  return JSON.stringify(object).length <= driverLimits.heldClass.value
}

/** Whether a read failed because there is no such class. */
export function isClassMissing(error: unknown): boolean {
  return error instanceof PublishError && isNotFound(error.cause)
}

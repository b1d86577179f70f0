import { isNotFound, KubeError, resources, type SecretProviderClass } from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import { errorMessage } from '#lib'
import type { Node } from '../node.ts'
import { PublishError } from '../rpc/publish-error.ts'
import { type ClassRef, classKey } from './class-ref.ts'

/** Reads a class from the API server. Throws {@link PublishError}. */
export async function readClass({ kube }: Node, ref: ClassRef, signal?: AbortSignal): Promise<SecretProviderClass> {
  try {
    return await kube.get(resources.secretProviderClasses, ref, { signal })
  } catch (error) {
    if (signal?.aborted && error === signal.reason) throw error
    // This text is a contract: upstream's test suites look for it in the pod's event.
    const message = `failed to get secretproviderclass ${classKey(ref)}, error: ${errorMessage(error)}`
    const code = error instanceof KubeError && error.retryable ? Code.UNAVAILABLE : Code.UNKNOWN
    throw new PublishError('SecretProviderClassNotFound', code, message, { cause: error })
  }
}

/** The class as the watch last saw it, or else as the API server has it. Throws {@link PublishError}. */
export async function currentClass(node: Node, ref: ClassRef, signal?: AbortSignal): Promise<SecretProviderClass> {
  return node.watchedClasses.get(classKey(ref))?.current ?? (await readClass(node, ref, signal))
}

/** Whether a read failed because there is no such class. */
export function isClassMissing(error: unknown): boolean {
  return error instanceof PublishError && isNotFound(error.cause)
}

import { checkHealth, ServingStatus } from '#kubernetes/grpc'
import { errorMessage } from '#lib'
import type { StatusAnswer } from '#lib/http'

/**
 * Whether our own socket answers gRPC health with SERVING, so that a socket that was removed or taken over, a server that is
 * stopping, and an event loop that is stuck are noticed. Vaults are not asked: their outage must not restart pods.
 *
 * @param target gRPC address of our own socket
 */
export async function askOwnHealth(target: string, timeoutMs = 5000): Promise<StatusAnswer> {
  try {
    const status = await checkHealth(target, { timeoutMs })
    return status === ServingStatus.SERVING ? { body: 'ok' } : { status: 503, body: 'the provider is stopping' }
  } catch (error) {
    return { status: 503, body: `the provider's socket does not answer: ${errorMessage(error)}` }
  }
}

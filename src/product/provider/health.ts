import { Client, credentials } from '@grpc/grpc-js'
import { checkHealth, ServingStatus } from '#kubernetes/provider-protocol'
import { errorMessage } from '#lib'
import type { StatusAnswer } from '#lib/http'

/**
 * Whether our own socket answers gRPC health with SERVING, so that a socket that was removed or taken over, a server that is
 * stopping, and an event loop that is stuck are noticed. Vaults are not asked: their outage must not restart pods.
 *
 * @param target gRPC address of our own socket
 */
export async function askOwnHealth(target: string, timeoutMs = 5000): Promise<StatusAnswer> {
  // A connection of its own each time: one that is kept would outlive the socket file, which drivers have to find.
  const client = new Client(target, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
    'grpc.use_local_subchannel_pool': 1,
  })
  try {
    const { status } = await checkHealth(client, { timeoutMs })
    return status === ServingStatus.SERVING ? { body: 'ok' } : { status: 503, body: 'the provider is stopping' }
  } catch (error) {
    return { status: 503, body: `the provider's socket does not answer: ${errorMessage(error)}` }
  } finally {
    client.close()
  }
}

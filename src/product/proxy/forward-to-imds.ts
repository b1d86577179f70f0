import type { IncomingMessage, ServerResponse } from 'node:http'
import { errorMessage } from '#lib'
import { forwardHttp } from '#lib/http'
import { ImdsError, sendImdsError } from './imds-error.ts'

export interface ForwardOptions {
  /** Origin of the real IMDS. */
  endpoint: string
  /** Time to reach it, in milliseconds. Default 2,000: outside of Azure there is nobody, and clients wait for the answer. */
  connectMs?: number
  /** Time without a byte, in milliseconds. Default 150,000: the first question for scheduled events takes up to two minutes. */
  idleMs?: number
}

/** Passes requests to the real IMDS as they are, and its answers back. */
export function createForward({ endpoint, connectMs = 2000, idleMs = 150_000 }: ForwardOptions) {
  /** Local ports of our own connections: a request that comes from one was redirected back to us. */
  const ownPorts = new Set<number>()

  /** Resolves when the exchange is over, in whatever way. */
  return async function forward(request: IncomingMessage, response: ServerResponse, target: string): Promise<void> {
    if (ownPorts.has(request.socket.remotePort ?? -1)) {
      const words =
        "The proxy's own request came back to it: it has to run as the user whom proxy-init lets pass (1501)"
      return sendImdsError(response, new ImdsError(508, 'loop_detected', words))
    }
    await forwardHttp(request, response, {
      endpoint,
      target,
      connectMs,
      idleMs,
      onConnected(socket) {
        const { localPort } = socket
        if (localPort === undefined) return
        ownPorts.add(localPort)
        socket.once('close', () => ownPorts.delete(localPort))
      },
      onFailure: (error) => sendImdsError(response, unreachable(endpoint, error)),
    })
  }
}

function unreachable(endpoint: string, error: unknown): ImdsError {
  return new ImdsError(
    502,
    'bad_gateway',
    `The instance metadata service at ${endpoint} cannot be reached: ${errorMessage(error)}`,
  )
}

import { type Clock, systemClock } from '#lib'
import type { HttpSend } from '#lib/http'
import { createWorkerPool, type TaskRunner } from '#lib/worker'
import type { AccessToken } from './access-token.ts'
import type { TokenRequest } from './token-request.ts'
import { acquireBy, type Credential } from './ways/index.ts'

export type AcquireToken = (credential: Credential, request: TokenRequest) => Promise<AccessToken>

export interface AcquireTokenOptions {
  /** Reaches Entra; retries by itself. */
  send: HttpSend
  /** Reaches the services of the node (IMDS, NMI), never through a proxy. */
  sendOnNode: HttpSend
  /** Reaches Entra through the cluster's token proxy. Opened by the first identity binding that asks. */
  sendThroughTokenProxy?: HttpSend | undefined
  /** Default `http://169.254.169.254`. */
  imdsEndpoint?: string | undefined
  /** Default `http://127.0.0.1:2579`: NMI listens on IPv4 only, and `localhost` may resolve to `::1` first. */
  nmiEndpoint?: string | undefined
  clock?: Clock | undefined
  /** Where certificates are parsed. Default: a worker thread of its own, started by the first one. */
  tasks?: TaskRunner | undefined
}

/** Gets a token by the credential's own way, with one request. Rejects with `IdentityError`. */
export function createAcquireToken(options: AcquireTokenOptions): AcquireToken {
  const transport = {
    send: options.send,
    sendOnNode: options.sendOnNode,
    sendThroughTokenProxy: options.sendThroughTokenProxy,
    imdsEndpoint: options.imdsEndpoint ?? 'http://169.254.169.254',
    nmiEndpoint: options.nmiEndpoint ?? 'http://127.0.0.1:2579',
    clock: options.clock ?? systemClock,
    tasks: options.tasks ?? createWorkerPool({ threads: 1 }),
  }
  return (credential, request) => acquireBy(credential, request, transport)
}

import { createServer, type RequestListener } from 'node:http'
import type { ListenAddress } from '#lib/flags'
import { type Listening, type ListenOptions, listen } from './listen.ts'

/** Serves plain HTTP until it is stopped; then open connections end at once. Rejects with `ListenError`. */
export function listenHttp(
  address: ListenAddress,
  handle: RequestListener,
  options: Pick<ListenOptions, 'maxConnections'> = {},
): Promise<Listening> {
  return listen(createServer(timeLimits, handle), address, options)
}

/** In milliseconds. Node looks for clients that exceed them only every 30 s by itself. */
const timeLimits = { requestTimeout: 10_000, headersTimeout: 5000, connectionsCheckingInterval: 1000 }

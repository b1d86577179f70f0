import { createServer, type RequestListener } from 'node:http'
import type { ListenAddress } from '#lib/flags'
import { type Listening, listen } from './listen.ts'

/** Serves plain HTTP until it is stopped; then open connections end at once. Rejects with `ListenError`. */
export function listenHttp(address: ListenAddress, handle: RequestListener): Promise<Listening> {
  return listen(createServer({ requestTimeout: 10_000, headersTimeout: 5000 }, handle), address)
}

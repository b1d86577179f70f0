import { createHttpClient, type HttpClient, type HttpClientOptions, HttpFault } from '#lib/http'
import type { Cleanup } from './temporary-directory.ts'

/** An HTTP client for a test, stopped at its end. */
export function clientOf(t: Cleanup, options: HttpClientOptions = {}): HttpClient {
  const client = createHttpClient(options)
  t.after(() => client.stop())
  return client
}

/** Code of the fault with which a call fails; `none` when it succeeds. */
export function faultOf(call: Promise<unknown>): Promise<string> {
  return call.then(
    () => 'none',
    (error: unknown) => (error instanceof HttpFault ? error.code : String(error)),
  )
}

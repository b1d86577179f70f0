import type { Server } from 'node:net'
import type { TestContext } from 'node:test'
import { listen } from '#lib/http'

/** Starts a server on loopback, for as long as the test. Gives its port. */
export async function loopbackPort(t: TestContext, server: Server): Promise<number> {
  const { port, stop } = await listen(server, { host: '127.0.0.1', port: 0 })
  t.after(stop)
  return port
}

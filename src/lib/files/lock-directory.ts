import { createServer } from 'node:net'
import { join } from 'node:path'
import { errorCode, type Running } from '#lib'
import { listen } from '#lib/http'

/**
 * Makes this process the only one that works in a state directory, until `stop`. The lock is a socket (`lock`) that only a
 * living process answers on, so one that was killed leaves nothing that a start must wait for. Throws when it is held.
 */
export async function lockDirectory(directory: string): Promise<Running> {
  const server = createServer((socket) => socket.destroy())
  try {
    const lock = await listen(server, { path: join(directory, 'lock') })
    server.unref()
    return lock
  } catch (cause) {
    if (errorCode(cause) !== 'EADDRINUSE') throw cause
    const advice = 'Stop it, or choose another directory'
    throw new Error(`Cannot work in ${directory}: another process does. ${advice}`, { cause })
  }
}

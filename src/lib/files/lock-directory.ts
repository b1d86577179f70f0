import { createServer } from 'node:net'
import { join } from 'node:path'
import type { Running } from '#lib'
import { listenUnix } from '#lib/http'

/**
 * Makes this process the only one that works in a state directory, until `stop`. The lock is a socket (`lock`) that only a
 * living process answers on, so one that was killed leaves nothing that a start must wait for. Throws when it is held.
 */
export async function lockDirectory(directory: string): Promise<Running> {
  const server = createServer((socket) => socket.destroy())
  const listen = (path: string) =>
    new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve))
  try {
    await listenUnix(join(directory, 'lock'), listen)
  } catch (cause) {
    throw new Error(`Cannot work in ${directory}: another process does. Stop it, or choose another directory`, {
      cause,
    })
  }
  server.unref()
  return {
    stop: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

import type { Server } from 'node:net'
import { type Listening, type ListenOptions, listen } from './listen.ts'
import { ListenError } from './listen-error.ts'

/** {@link listen} on a port (a free one for 0). Errors name the flag to change: this one, or `--listen` for the address. */
export async function listenOrAdvise(
  server: Server,
  address: { host: string; port: number },
  { flag, ...options }: ListenOptions & { flag: string },
): Promise<Listening> {
  try {
    return await listen(server, address, options)
  } catch (error) {
    if (!(error instanceof ListenError)) throw error
    const setting = error.code === 'EADDRNOTAVAIL' ? '--listen' : flag
    throw new ListenError(error.code, `${error.message}; give another ${setting}`, { cause: error })
  }
}

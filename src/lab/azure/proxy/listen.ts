import type { Server } from 'node:http'
import { ListenError, type Listening, listen } from '#lib/http'

/** Listens on a port (a free one for 0). Errors name `flag` as the setting to change. */
export async function listenOrAdvise(
  server: Server,
  { address, port, flag }: { address: string; port: number; flag: string },
): Promise<Listening> {
  try {
    return await listen(server, { host: address, port })
  } catch (error) {
    if (!(error instanceof ListenError)) throw error
    const setting = error.code === 'EADDRNOTAVAIL' ? '--listen' : flag
    throw new ListenError(error.code, `${error.message}; give another ${setting}`, { cause: error })
  }
}

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errorCode } from '#lib'

/** Listens and returns the port (a free one for 0). Errors name `flag` as the setting to change. */
export function listen(
  server: Server,
  { address, port, flag }: { address: string; port: number; flag: string },
): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const reason = {
        EADDRINUSE: `the port is in use; give another ${flag}`,
        EACCES: `not allowed; give another ${flag}`,
        EADDRNOTAVAIL: 'this machine has no such address; give another --listen',
      }[errorCode(error) ?? '']
      reject(reason === undefined ? error : new Error(`Cannot listen on ${address}:${port}: ${reason}`))
    })
    server.listen(port, address, () => resolve((server.address() as AddressInfo).port))
  })
}

import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errorCode } from '#lib'

/** Listens and gives the port, which differs from the one asked for when that is 0. `flag` is what to change when it is taken. */
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

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

/** A TCP connection on which a test writes bytes of its own; it ends with the test. */
export interface RawConnection {
  socket: Socket
  /** What has come back so far. */
  text: string
}

/** @param localAddress from which to connect. Default: the system's choice. */
export async function openRaw(t: TestContext, port: number, localAddress?: string): Promise<RawConnection> {
  const socket = connect({ host: '127.0.0.1', port, ...(localAddress === undefined ? {} : { localAddress }) })
  t.after(() => socket.destroy())
  const opened = { socket, text: '' }
  socket.on('error', () => undefined)
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    opened.text += chunk
  })
  await once(socket, 'connect')
  return opened
}

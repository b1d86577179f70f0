/**
 * Holds forty requests of 7 MiB that lack their last byte for eight seconds. A thread of its own, so that the probes of
 * the main thread do not wait for what sending them costs.
 */

import { connect } from 'node:tls'
import { workerData } from 'node:worker_threads'
import { sleep } from '#lib'

const { ca, port, servername } = workerData as { ca: string; port: number; servername: string }
const size = 7 * 1024 * 1024
const head = `POST /mutate-v1-pod HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${size}\r\n\r\n`

const sockets = Array.from({ length: 40 }, () => {
  const socket = connect({ host: '127.0.0.1', port, servername, ca }, () => {
    socket.write(head)
    socket.write(Buffer.alloc(size - 1, 0x20))
  })
  return socket.on('error', () => undefined)
})
await sleep(8000)
for (const socket of sockets) socket.destroy()

// A client that costs little, so that the server is what is measured: raw requests on kept TLS connections, one at a time
// on each. Run as a process of its own; the arguments are one JSON text, the result is one line of JSON.

import { readFileSync } from 'node:fs'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { parseArgs } from 'node:util'
import { sleep } from '#lib'

export interface LoadOptions {
  /** Where to connect: the server, or the proxy when `viaProxy`. */
  port: number
  viaProxy: boolean
  servername: string
  caFile: string
  /** The bytes of one request. */
  request: string
  connections: number
  /** Milliseconds that count; as many before them do not. */
  measureMs: number
}

export interface LoadResult {
  requestsPerSecond: number
}

const { positionals } = parseArgs({ allowPositionals: true })
const options = JSON.parse(positionals[0] ?? '') as LoadOptions
const sockets = await Promise.all(Array.from({ length: options.connections }, () => open(options)))
const sizes = await Promise.all(sockets.map((socket) => answerSize(socket)))
let answers = 0
const workers = sockets.map((socket, i) => keepAsking(socket, sizes[i] ?? 0, () => answers++))
await sleep(options.measureMs)
const before = answers
const startedAt = performance.now()
await sleep(options.measureMs)
const seconds = (performance.now() - startedAt) / 1000
const result: LoadResult = { requestsPerSecond: (answers - before) / seconds }
for (const stop of workers) stop()
process.stdout.write(`${JSON.stringify(result)}\n`)

async function open({ port, viaProxy, servername, caFile }: LoadOptions): Promise<TLSSocket> {
  const socket = connectPlain(port, '127.0.0.1')
  if (viaProxy) await tunnel(socket, servername)
  return new Promise((resolve, reject) => {
    const tls = connectTls({ socket, servername, ca: readFileSync(caFile) }, () => resolve(tls))
    tls.on('error', reject)
  })
}

function tunnel(socket: Socket, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('error', reject)
    socket.write(`CONNECT ${host}:443 HTTP/1.1\r\nHost: ${host}:443\r\n\r\n`)
    socket.once('data', (data) => (data.includes(' 200 ') ? resolve() : reject(new Error(data.toString()))))
  })
}

/** Bytes of one answer: every later one has as many, since the same is asked. */
function answerSize(socket: TLSSocket): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = ''
    const onData = (data: Buffer) => {
      text += data.toString('latin1')
      const head = text.indexOf('\r\n\r\n')
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
      if (head < 0 || text.length < head + 4 + length) return
      socket.off('data', onData)
      if (text.startsWith('HTTP/1.1 200')) resolve(head + 4 + length)
      else reject(new Error(text))
    }
    socket.on('data', onData)
    socket.write(options.request)
  })
}

function keepAsking(socket: TLSSocket, size: number, onAnswer: () => void): () => void {
  let missing = size
  socket.on('data', (data: Buffer) => {
    missing -= data.length
    if (missing > 0) return
    missing = size
    onAnswer()
    socket.write(options.request)
  })
  socket.write(options.request)
  return () => socket.destroy()
}

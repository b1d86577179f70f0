import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync } from 'node:fs'
import { connect, createServer, type Server as LocalServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Server, ServerCredentials } from '@grpc/grpc-js'
import { CodedError, errorMessage, type Log } from '#lib'
import type { NodeSockets } from './node-sockets.ts'

/** Where the relay program listens on 127.0.0.1, and the secret that it wants to see. */
export interface RelayAddress {
  port: number
  secret: string
}

export interface RelayedSocketsOptions {
  relay: RelayAddress
  log: Log
  /** Where gRPC clients of a socket connect in this process. Default: a named pipe, or on another system a private socket. */
  localPath?: ((name: string) => string) | undefined
}

/** The relay could not do what was asked, or is not there. */
export class RelayError extends CodedError {}

interface State {
  relay: RelayAddress
  log: Log
  localPath: (name: string) => string
  control: Promise<Control> | undefined
  served: Map<string, Served>
  /** By path of the socket. */
  locals: Map<string, { address: string; server: LocalServer }>
  connections: Set<Socket>
  requestStop: () => void
}

interface Control {
  socket: Socket
  /** Called with the answer to `listen PATH`: why it failed, or undefined. */
  waiting: Map<string, (reason: string | undefined) => void>
}

interface Served {
  inject(connection: Socket): void
}

/** How long the relay, a process of this machine, may take for one answer. */
const answerMs = 10_000

/**
 * Sockets through the relay that started this process: Node.js on Windows has no Unix sockets, and kubelet nothing else. Lines
 * and bytes are described in `src/packaging/image/relay/relay.go`.
 */
export function createRelayedSockets({ relay, log, localPath = ownPath }: RelayedSocketsOptions): NodeSockets {
  const { promise: stopRequested, resolve: requestStop } = Promise.withResolvers<void>()
  const state: State = {
    requestStop,
    relay,
    log,
    localPath,
    control: undefined,
    served: new Map(),
    locals: new Map(),
    connections: new Set(),
  }
  return {
    serve: (path, server) => serve(state, path, server),
    address: (path) => localAddress(state, path),
    // Windows gives no information about a socket but its name. Each connection is opened through the relay, so that one
    // to a process that has started again is not the old one.
    identity: (path) => (namesIn(dirname(path)).includes(basename(path)) ? path : undefined),
    list: namesIn,
    stopRequested,
    stop() {
      void state.control?.then(({ socket }) => socket.destroy()).catch(() => {})
      for (const { server } of state.locals.values()) server.close()
      for (const connection of state.connections) connection.destroy()
    },
  }
}

/** Reads KEYMOUNT_RELAY, which the relay sets: `PORT:SECRET`. Undefined when it is not there. */
export function parseRelayAddress(text: string | undefined): RelayAddress | undefined {
  const match = /^(\d{1,5}):([0-9a-f]{64})$/.exec(text ?? '')
  return match?.[1] === undefined || match[2] === undefined ? undefined : { port: Number(match[1]), secret: match[2] }
}

async function serve(state: State, path: string, server: Server) {
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  state.served.set(path, { inject: (connection) => injector.injectConnection(connection) })
  state.control ??= openControl(state)
  const control = await state.control
  const reason = await new Promise<string | undefined>((resolve) => {
    const late = setTimeout(() => resolve('the relay gave no answer'), answerMs)
    control.waiting.set(path, (why) => {
      clearTimeout(late)
      resolve(why)
    })
    control.socket.write(`listen ${path}\n`)
  })
  control.waiting.delete(path)
  if (reason !== undefined) {
    state.served.delete(path)
    throw new RelayError('SocketUnavailable', `cannot listen on ${path}: ${reason}`)
  }
  return {
    async stop() {
      state.served.delete(path)
      control.socket.write(`close ${path}\n`)
    },
  }
}

async function openControl(state: State): Promise<Control> {
  const socket = await openConnection(state.relay, 'control')
  const control: Control = { socket, waiting: new Map() }
  const fail = () => {
    state.control = undefined
    state.requestStop()
    for (const answer of control.waiting.values()) answer('the relay has ended')
  }
  socket.on('close', fail)
  onLines(socket, (line) => (line === 'stop' ? state.requestStop() : onControlLine(state, control, line)))
  return control
}

function onControlLine(state: State, { waiting }: Control, line: string): void {
  const [, verb, rest = ''] = /^(\w+) (.*)$/.exec(line) ?? []
  if (verb === 'listening') waiting.get(rest)?.(undefined)
  if (verb === 'failed') {
    const [path = '', reason = ''] = rest.split('\t')
    waiting.get(path)?.(reason)
  }
  if (verb === 'incoming') {
    const [id = ''] = rest.split(' ', 1)
    void accept(state, id, rest.slice(id.length + 1))
  }
}

async function accept(state: State, id: string, path: string): Promise<void> {
  try {
    const connection = await openConnection(state.relay, `accept ${id}`)
    const served = state.served.get(path)
    if (served === undefined) connection.destroy()
    else served.inject(hold(state, connection))
  } catch (error) {
    state.log.warn({ path }, `a connection was lost: ${errorMessage(error)}`)
  }
}

/** gRPC clients connect to paths: each socket gets one in this process, whose connections lead through the relay. */
function localAddress(state: State, path: string): string {
  const known = state.locals.get(path)
  if (known !== undefined) return known.address
  const local = state.localPath(`keymount-${process.pid}-${randomBytes(12).toString('hex')}`)
  const server = createServer((connection) => void forward(state, connection, path))
  server.on('error', (error) => state.log.error({ path }, `no clients can reach the socket: ${error.message}`))
  server.listen(local)
  server.unref()
  const address = `unix:${local}`
  state.locals.set(path, { address, server })
  return address
}

async function forward(state: State, connection: Socket, path: string): Promise<void> {
  hold(state, connection)
  try {
    const socket = hold(state, await dial(state.relay, path))
    await pipeline(connection, socket, connection)
  } catch {
    // The client sees a connection that ended, and tries again.
    connection.destroy()
  }
}

function hold(state: State, connection: Socket): Socket {
  state.connections.add(connection)
  connection.on('error', () => {})
  connection.once('close', () => state.connections.delete(connection))
  return connection
}

/** Sends the first line. */
function openConnection({ port, secret }: RelayAddress, request: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true })
    socket.setTimeout(answerMs, () => socket.destroy(new RelayError('RelayUnavailable', 'the relay gave no answer')))
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.setTimeout(0)
      socket.off('error', reject)
      socket.on('error', () => {})
      socket.write(`${secret} ${request}\n`)
      resolve(socket)
    })
  })
}

/** The longest line of the relay. */
const maxLineBytes = 4096

async function dial(relay: RelayAddress, path: string): Promise<Socket> {
  const socket = await openConnection(relay, `dial ${path}`)
  return new Promise((resolve, reject) => {
    let answer = Buffer.alloc(0)
    const fail = (why: string) => {
      socket.destroy()
      reject(new RelayError('SocketUnavailable', why))
    }
    const onEnd = () => fail('the relay closed the connection')
    socket.setTimeout(answerMs, () => fail('the relay gave no answer'))
    socket.once('close', onEnd)
    const onData = (chunk: Buffer) => {
      answer = Buffer.concat([answer, chunk])
      const end = answer.indexOf('\n')
      if (end < 0) return answer.length > maxLineBytes ? fail('the answer of the relay is too long') : undefined
      socket.off('data', onData)
      socket.off('close', onEnd)
      socket.pause()
      socket.setTimeout(0)
      const line = answer.subarray(0, end).toString()
      if (line !== 'ok') return fail(line.slice(0, 300))
      // The server's first bytes may have come with the line.
      if (answer.length > end + 1) socket.unshift(answer.subarray(end + 1))
      resolve(socket)
    }
    socket.on('data', onData)
  })
}

function onLines(socket: Socket, onLine: (line: string) => void): void {
  let rest = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  })
}

function namesIn(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true })
    return entries.filter((entry) => !entry.isDirectory()).map(({ name }) => name)
  } catch {
    return []
  }
}

/** Only the system and administrators may write to a named pipe of a process of theirs. */
function ownPath(name: string): string {
  return process.platform === 'win32' ? `\\\\.\\pipe\\${name}` : join(mkdtempSync(join(tmpdir(), 'keymount-')), name)
}

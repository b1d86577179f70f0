import { type ChildProcess, spawn } from 'node:child_process'
import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import { connect, Socket } from 'node:net'
import { join } from 'node:path'
import { type FromRouter, isClusterAddress, joinSockets, type Routes, type ToRouter } from '#lab/router'
import { errorMessage, type Log, type Running } from '#lib'
import type { Forwards } from './forwards.ts'
import { boundToUs, type NamespacePrograms, systemEnvironment } from './hold-namespace.ts'
import { PodNetworkError } from './pod-network-error.ts'

export interface RouterProcess extends Running {
  pid: number
  connect(host: string, port: number): Promise<Socket>
  setRoutes(routes: Routes): void
}

interface RouterOptions {
  programs: NamespacePrograms
  /** Shell commands that connect the router's namespace with that of the node. */
  setup: readonly string[]
  forwards(): Forwards
  /** Called when it ends without having been stopped. */
  onEnd(): void
  log: Log
}

const program = join(import.meta.dirname, '../../../bin/pod-network-router.ts')
const startPatienceMs = 20_000

interface State extends RouterOptions {
  child: ChildProcess
  dials: Map<number, { resolve(socket: Socket): void; reject(error: Error): void }>
  lastDial: number
  stopping: boolean
}

/** Starts the router in a network namespace of its own. Rejects with {@link PodNetworkError}. */
export async function startRouter(options: RouterOptions): Promise<RouterProcess> {
  const { programs, setup, log } = options
  const [first, ...words] = boundToUs(programs)
  const script = ['set -e', ...setup, 'exec "$@"'].join('\n')
  const node = [process.execPath, '--disable-warning=ExperimentalWarning', program]
  const child = spawn(first, [...words, programs.unshare, '--net', programs.sh, '-c', script, 'sh', ...node], {
    cwd: '/',
    env: systemEnvironment,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  const state: State = { ...options, child, dials: new Map(), lastDial: 0, stopping: false }
  const errors = errorsOf(child)
  child.on('message', (message, handle) => receive(state, message as FromRouter, handle as Socket | undefined))
  try {
    await waitUntilReady(child, errors)
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  child.on('exit', () => {
    for (const { reject } of state.dials.values()) reject(new Error('the router of the pod network has ended'))
    if (state.stopping) return
    log.error({ detail: errors() }, 'the router of the pod network has ended')
    options.onEnd()
  })
  return {
    pid: child.pid ?? 0,
    connect: (host, port) => dial(state, host, port),
    setRoutes: (routes) => send(state, { kind: 'routes', routes }),
    async stop() {
      state.stopping = true
      child.kill('SIGKILL')
    },
  }
}

async function waitUntilReady(child: ChildProcess, errors: () => string): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([over.signal, AbortSignal.timeout(startPatienceMs)])
  const ended = once(child, 'close', { signal }).then(() => {
    throw new PodNetworkError(errors() || 'the router could not be started')
  })
  try {
    await Promise.race([once(child, 'message', { signal }), ended])
  } catch (error) {
    if (error instanceof PodNetworkError || child.pid === undefined) throw error
    throw new PodNetworkError(`the router was not ready within ${startPatienceMs / 1000} s`)
  } finally {
    ended.catch(() => undefined)
    over.abort()
  }
}

/** The last that it printed as an error, in one line. */
function errorsOf(child: ChildProcess): () => string {
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-1000)
  })
  return () => text.trim().replaceAll('\n', '; ')
}

function send({ child }: State, message: ToRouter): void {
  // It may have ended; its end is reported by itself.
  if (child.connected) child.send(message, () => undefined)
}

function receive(state: State, message: FromRouter, socket: Socket | undefined): void {
  switch (message.kind) {
    case 'ready':
      break
    case 'accepted':
      // Without one, the pod has closed the connection already.
      if (socket instanceof Socket) lead(state, message, socket)
      break
    case 'dialed':
      dialed(state, message, socket)
      break
    case 'resolve':
      void resolveName(message.name).then((addresses) => send(state, { kind: 'resolved', id: message.id, addresses }))
      break
    case 'problem':
      state.log.warn({ detail: message.message }, 'a port of the pod network cannot be used')
      break
    default:
      throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`)
  }
}

/** Leads a pod's connection to a server of the machine, or to the world outside. */
function lead({ forwards }: State, { host, port }: { host: string; port: number }, socket: Socket): void {
  socket.on('error', () => undefined)
  const forward = forwards()[`${host}:${port}`]
  if (forward === undefined && isClusterAddress(host)) {
    socket.resetAndDestroy()
    return
  }
  const [toHost = '', toPort] = (forward ?? `${host}:${port}`).split(':')
  const onward = connect({ host: toHost, port: Number(toPort), allowHalfOpen: true })
  const refuse = () => socket.resetAndDestroy()
  onward.once('error', refuse)
  onward.once('connect', () => {
    onward.off('error', refuse)
    joinSockets(socket, onward)
  })
}

function dial(state: State, host: string, port: number): Promise<Socket> {
  const id = ++state.lastDial
  if (!state.child.connected) return Promise.reject(new Error('the router of the pod network has ended'))
  return new Promise((resolve, reject) => {
    state.dials.set(id, { resolve, reject })
    send(state, { kind: 'dial', id, host, port })
  })
}

function dialed({ dials }: State, { id, error }: FromRouter & { kind: 'dialed' }, socket: Socket | undefined): void {
  const waiting = dials.get(id)
  dials.delete(id)
  if (socket instanceof Socket) {
    if (waiting === undefined) socket.destroy()
    else waiting.resolve(socket)
  } else waiting?.reject(new Error(error ?? 'the connection was closed'))
}

/** As programs of the machine resolve it. */
async function resolveName(name: string): Promise<string[]> {
  const found = await lookup(name, { family: 4, all: true }).catch((error: unknown) => errorMessage(error))
  return typeof found === 'string' ? [] : found.map(({ address }) => address)
}

import { createSocket } from 'node:dgram'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { networkAddresses } from './addresses.ts'
import { joinSockets } from './join-sockets.ts'
import { addressType, answerCodes, formatAnswer, parseQuery, type Query } from './name-server.ts'
import type { FromRouter, Routes, ToRouter } from './router-messages.ts'

/** The channel to the program that started the router. */
export interface RouterChannel {
  send(message: FromRouter, socket?: Socket): void
  onMessage(handler: (message: ToRouter) => void): void
}

/** Without an answer for so long, a pod or the machine's resolver counts as unreachable, in milliseconds. */
const patienceMs = 10_000
const maxLookups = 1000
/** Larger answers than this do not fit into a datagram that every client accepts. */
const maxAddresses = 25

interface Router {
  channel: RouterChannel
  routes: Routes
  servers: Map<number, Server>
  /** Number of connections so far: pods of a Service take turns. */
  connections: number
  lookups: Map<number, (addresses: readonly string[]) => void>
  lastLookup: number
}

/**
 * The whole of the router's process, which is in a network namespace where every address but those of pods is its own. It
 * connects pods with the pods of Services, answers their questions for names, and passes all other connections to the program
 * that started it, which is in the machine's network.
 */
export function serveRouter(channel: RouterChannel): void {
  const routes: Routes = { ports: [], services: {}, names: {} }
  const router: Router = { channel, routes, servers: new Map(), connections: 0, lookups: new Map(), lastLookup: 0 }
  channel.onMessage((message) => handle(router, message))
  const names = createSocket('udp4')
  names.on('message', (message, { address, port }) => {
    const query = parseQuery(message)
    if (query !== undefined) void answer(router, query).then((bytes) => names.send(bytes, port, address))
  })
  names.bind(53, networkAddresses.nameServer, () => channel.send({ kind: 'ready' }))
}

function handle(router: Router, message: ToRouter): void {
  switch (message.kind) {
    case 'routes':
      router.routes = message.routes
      listenOnPorts(router)
      break
    case 'dial':
      dial(router, message)
      break
    case 'resolved':
      router.lookups.get(message.id)?.(message.addresses)
      break
    default:
      throw new Error(`unknown message ${JSON.stringify(message satisfies never)}`)
  }
}

function listenOnPorts(router: Router): void {
  const { servers, routes } = router
  const wanted = new Set(routes.ports)
  for (const [port, server] of servers) {
    if (wanted.has(port)) continue
    server.close()
    servers.delete(port)
  }
  for (const port of wanted) {
    if (servers.has(port)) continue
    // Paused: what a connection that is passed on has sent must not be read here.
    const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => route(router, socket))
    server.on('error', ({ message }) => router.channel.send({ kind: 'problem', message }))
    server.listen(port, '0.0.0.0')
    servers.set(port, server)
  }
}

function route(router: Router, socket: Socket): void {
  const { localAddress: host = '', localPort: port = 0 } = socket
  const pods = router.routes.services[`${host}:${port}`]
  if (pods === undefined) {
    router.channel.send({ kind: 'accepted', host, port }, socket)
    return
  }
  socket.on('error', () => undefined)
  const pod = pods[router.connections++ % pods.length]
  if (pod === undefined) {
    socket.resetAndDestroy()
    return
  }
  const [podHost = '', podPort] = pod.split(':')
  const onward = connect({ host: podHost, port: Number(podPort), timeout: patienceMs, allowHalfOpen: true })
  onward.on('error', () => socket.resetAndDestroy())
  onward.on('timeout', () => onward.destroy(new Error('timeout')))
  onward.once('connect', () => {
    onward.setTimeout(0)
    joinSockets(socket, onward)
  })
  // The pod's connection may end before the other one is made.
  socket.once('close', () => {
    if (onward.connecting) onward.destroy()
  })
}

function dial({ channel }: Router, { id, host, port }: ToRouter & { kind: 'dial' }): void {
  const socket = connect({ host, port, timeout: patienceMs })
  socket.pause()
  socket.once('error', (error) => channel.send({ kind: 'dialed', id, error: error.message }))
  socket.once('timeout', () => socket.destroy(new Error(`connect ETIMEDOUT ${host}:${port}`)))
  socket.once('connect', () => {
    socket.removeAllListeners('timeout')
    socket.setTimeout(0)
    channel.send({ kind: 'dialed', id }, socket)
  })
}

async function answer(router: Router, query: Query): Promise<Buffer> {
  const { name, type } = query
  const own = Object.hasOwn(router.routes.names, name) ? router.routes.names[name] : undefined
  if (own !== undefined)
    return formatAnswer(query, answerCodes.ok, type === addressType ? own.slice(0, maxAddresses) : [])
  if (/(^|\.)cluster\.local$/.test(name) || !name.includes('.')) return formatAnswer(query, answerCodes.noName, [])
  // Whether a name has addresses of another kind does not matter: only IPv4 leaves this network.
  if (type !== addressType) return formatAnswer(query, answerCodes.ok, [])
  if (router.lookups.size >= maxLookups) return formatAnswer(query, answerCodes.failed, [])
  const found = await resolveOutside(router, name)
  return formatAnswer(query, found.length === 0 ? answerCodes.noName : answerCodes.ok, found.slice(0, maxAddresses))
}

function resolveOutside(router: Router, name: string): Promise<readonly string[]> {
  const { lookups, channel } = router
  const id = ++router.lastLookup
  return new Promise((resolve) => {
    const finish = (addresses: readonly string[]) => {
      clearTimeout(timer)
      lookups.delete(id)
      resolve(addresses)
    }
    const timer = setTimeout(finish, patienceMs, [])
    lookups.set(id, finish)
    channel.send({ kind: 'resolve', id, name })
  })
}

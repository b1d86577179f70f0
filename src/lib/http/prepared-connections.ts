import type { Agent, AgentOptions } from 'node:https'
import type { Socket } from 'node:net'
import { createFairSlots } from '#lib/async'

/** Connections that are opened before a request needs them. */
export interface PreparedConnections {
  /**
   * Opens connections to a host until `count` are open and unused, or on their way, or the owner has its share of all. A failure is
   * that of the request that would have used the connection, or of none.
   */
  prepare(host: string, port: number, count: number, owner: string): void
  stop(): void
}

/** Connections that were prepared and are not used yet, to all hosts together. */
export interface PreparedLimits {
  total: number
  perOwner: number
}

interface Prepared {
  socket: Promise<Socket>
  opened: Socket | undefined
  /** Makes it an ordinary connection of the agent. */
  handOver(): void
  /** Gives back its place among all that are prepared; may be called twice. */
  release(): void
}

/** How long a connection waits for a request, in milliseconds. */
const unusedMs = 60_000

type Create = (
  options: AgentOptions & { host: string; port: number },
  callback: (error: Error | null, socket: Socket) => void,
) => Socket | null | undefined

/** Makes an agent of `node:https` take its connections from those that were prepared, the oldest first, while there are any. */
export function prepareConnections(agent: Agent, { total, perOwner }: PreparedLimits): PreparedConnections {
  const create = agent.createConnection.bind(agent) as unknown as Create
  const slots = createFairSlots(total, perOwner)
  const prepared = new Map<string, Set<Prepared>>()
  const remove = (key: string, one: Prepared) => {
    one.release()
    const ofHost = prepared.get(key)
    ofHost?.delete(one)
    if (ofHost?.size === 0) prepared.delete(key)
  }
  agent.createConnection = ((options: Parameters<Create>[0], callback: Parameters<Create>[1]) => {
    const key = `${options.host}:${options.port}`
    const [first] = prepared.get(key) ?? []
    if (first === undefined) return create(options, callback)
    remove(key, first)
    first.socket.then(
      (socket) => {
        first.handOver()
        callback(null, socket)
      },
      (error: Error) => callback(error, undefined as never),
    )
    return undefined
  }) as unknown as Agent['createConnection']
  return {
    prepare(host, port, count, owner) {
      const key = `${host}:${port}`
      const options = { ...(agent.options as AgentOptions), keepAlive: true, servername: host, host, port }
      const unused = (prepared.get(key)?.size ?? 0) + freeOf(agent, key)
      for (let missing = count - unused; missing > 0; missing--) {
        const release = slots.take(owner)
        if (release === undefined) return
        const one = open(create, options, { release, onGone: () => remove(key, one) })
        prepared.set(key, (prepared.get(key) ?? new Set()).add(one))
      }
    },
    stop() {
      for (const { opened } of [...prepared.values()].flatMap((ofHost) => [...ofHost])) opened?.destroy()
    },
  }
}

/** Idle connections that the agent has itself; its names of hosts begin like this. */
function freeOf({ freeSockets }: Agent, key: string): number {
  const lists = Object.entries(freeSockets).filter(([name]) => name.startsWith(`${key}:`))
  return lists.reduce((sum, [, sockets]) => sum + (sockets?.length ?? 0), 0)
}

function open(
  create: Create,
  options: Parameters<Create>[0],
  { release, onGone }: { release: () => void; onGone: () => void },
): Prepared {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const fail = (error: Error) => {
    reject(error)
    onGone()
  }
  const one: Prepared = { socket: promise, opened: undefined, handOver: () => {}, release }
  const ready = (socket: Socket) => {
    const end = () => {
      socket.destroy()
      onGone()
    }
    socket.off('error', fail).on('error', end).on('close', end).setTimeout(unusedMs, end)
    one.opened = socket
    one.handOver = () => void socket.off('error', end).off('close', end).off('timeout', end).setTimeout(0)
    resolve(socket)
  }
  // Through a proxy, the connection comes by the callback; without one it is the returned one.
  const direct = create(options, (error, socket) => (error === null ? ready(socket) : fail(error)))
  direct?.once('error', fail).once('secureConnect', () => ready(direct))
  promise.catch(() => {})
  return one
}

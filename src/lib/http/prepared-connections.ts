import type { Agent, AgentOptions } from 'node:https'
import type { Socket } from 'node:net'

/** Connections that are opened before a request needs them. */
export interface PreparedConnections {
  /**
   * Opens connections to a host until `count` are open and unused, or on their way. A failure is that of the request that would have
   * used the connection, or of none.
   */
  prepare(host: string, port: number, count: number): void
  stop(): void
}

interface Prepared {
  socket: Promise<Socket>
  opened: Socket | undefined
  /** Makes it an ordinary connection of the agent. */
  handOver(): void
}

/** How long a connection waits for a request, in milliseconds. */
const unusedMs = 60_000

type Create = (
  options: AgentOptions & { host: string; port: number },
  callback: (error: Error | null, socket: Socket) => void,
) => Socket | null | undefined

/** Makes an agent of `node:https` take its connections from those that were prepared, the oldest first, while there are any. */
export function prepareConnections(agent: Agent): PreparedConnections {
  const create = agent.createConnection.bind(agent) as unknown as Create
  const prepared = new Map<string, Prepared[]>()
  agent.createConnection = ((options: Parameters<Create>[0], callback: Parameters<Create>[1]) => {
    const first = prepared.get(`${options.host}:${options.port}`)?.shift()
    if (first === undefined) return create(options, callback)
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
    prepare(host, port, count) {
      const key = `${host}:${port}`
      const list = prepared.get(key) ?? []
      prepared.set(key, list)
      for (let missing = count - list.length - freeOf(agent, key); missing > 0; missing--) {
        const one = open(
          create,
          { ...(agent.options as AgentOptions), keepAlive: true, servername: host, host, port },
          () => {
            if (list.includes(one)) list.splice(list.indexOf(one), 1)
          },
        )
        list.push(one)
      }
    },
    stop() {
      for (const { opened } of [...prepared.values()].flat()) opened?.destroy()
    },
  }
}

/** Idle connections that the agent has itself; its names of hosts begin like this. */
function freeOf({ freeSockets }: Agent, key: string): number {
  const lists = Object.entries(freeSockets).filter(([name]) => name.startsWith(`${key}:`))
  return lists.reduce((sum, [, sockets]) => sum + (sockets?.length ?? 0), 0)
}

function open(create: Create, options: Parameters<Create>[0], onGone: () => void): Prepared {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  const fail = (error: Error) => {
    reject(error)
    onGone()
  }
  const one: Prepared = { socket: promise, opened: undefined, handOver: () => {} }
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

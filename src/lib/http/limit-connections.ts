import type { IncomingMessage } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { ExchangeFollower } from './follow-exchanges.ts'

interface Connection {
  socket: Socket
  /** Until it is answered. Kept no longer: what the last request of each connection holds would outlive the young generation. */
  request: IncomingMessage | undefined
  /** Whether its last request had come as a whole and is answered. */
  isIdle: boolean
  /** Counts up over all connections: the last request has the highest, or the connection itself before its first one. */
  turn: number
}

interface Connections {
  open: Set<Connection>
  /** By the socket of their requests. */
  bySocket: WeakMap<Socket, Connection>
  turns: number
}

/**
 * Bounds the connections of an HTTP(S) server. Beyond `most`, a new one takes the place of the oldest whose client has not sent a
 * whole request, or else of the one that has been idle for the longest time: clients that open connections and send nothing, or
 * send slowly, do not keep others out. Only when all others wait for their answers is the new one ended.
 */
export function limitConnections(server: Server, most: number): ExchangeFollower {
  const connections: Connections = { open: new Set(), bySocket: new WeakMap(), turns: 0 }
  const { open } = connections
  server.on('connection', (socket: Socket) => {
    if (open.size >= most && !endOne(open)) return void socket.destroy()
    const connection = { socket, request: undefined, isIdle: false, turn: connections.turns++ }
    open.add(connection)
    socket.once('close', () => open.delete(connection))
  })
  return {
    begun(request) {
      const connection = connectionOf(request, connections)
      if (connection === undefined) return
      connection.request = request
      connection.isIdle = false
      connection.turn = connections.turns++
    },
    ended(request) {
      const connection = connectionOf(request, connections)
      if (connection?.request !== request) return
      connection.request = undefined
      connection.isIdle = request.complete
    },
  }
}

/** The socket of a request over TLS is another object than that of its connection, and has the same client. */
function connectionOf({ socket }: IncomingMessage, { open, bySocket }: Connections): Connection | undefined {
  const known = bySocket.get(socket)
  if (known !== undefined) return known
  const { remoteAddress, remotePort } = socket
  for (const connection of open) {
    const { socket: own } = connection
    if (own !== socket && (own.remotePort !== remotePort || own.remoteAddress !== remoteAddress)) continue
    bySocket.set(socket, connection)
    return connection
  }
  return undefined
}

/** Whether there was one that could be ended. */
function endOne(open: Set<Connection>): boolean {
  const connection = firstOf(open, isSending) ?? firstOf(open, ({ isIdle }) => isIdle)
  if (connection === undefined) return false
  open.delete(connection)
  connection.socket.destroy()
  return true
}

function firstOf(open: Iterable<Connection>, isWanted: (connection: Connection) => boolean): Connection | undefined {
  let first: Connection | undefined
  for (const connection of open) {
    if (isWanted(connection) && (first === undefined || connection.turn < first.turn)) first = connection
  }
  return first
}

function isSending({ request, isIdle }: Connection): boolean {
  return request === undefined ? !isIdle : !request.complete
}

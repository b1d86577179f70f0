import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'

interface Connection {
  socket: Socket
  /** Until it is answered. Kept no longer: what the last request of each connection holds would outlive the young generation. */
  request: IncomingMessage | undefined
  /** Whether its last request had come as a whole and is answered. */
  isIdle: boolean
}

/**
 * Bounds the connections of an HTTP(S) server. Beyond `most`, a new one takes the place of the oldest whose client has not sent a
 * whole request, or else of the one that has been idle for the longest time: clients that open connections and send nothing, or
 * send slowly, do not keep others out. Only when all others wait for their answers is the new one ended.
 */
export function limitConnections(server: Server, most: number): void {
  /** In the order of their last request, or of their beginning before the first one. */
  const connections = new Map<string, Connection>()
  server.on('connection', (socket: Socket) => {
    if (connections.size >= most && !endOne(connections)) return void socket.destroy()
    const key = keyOf(socket)
    connections.set(key, { socket, request: undefined, isIdle: false })
    socket.once('close', () => {
      if (connections.get(key)?.socket === socket) connections.delete(key)
    })
  })
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    const key = keyOf(request.socket)
    const connection = connections.get(key)
    if (connection === undefined) return
    connections.delete(key)
    connections.set(key, connection)
    connection.request = request
    connection.isIdle = false
    response.once('close', () => {
      if (connection.request !== request) return
      connection.request = undefined
      connection.isIdle = request.complete
    })
  })
}

/** The socket of a request over TLS is another object than that of its connection. */
function keyOf({ remoteAddress = '', remotePort = 0 }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}

/** Whether there was one that could be ended. */
function endOne(connections: Map<string, Connection>): boolean {
  const all = [...connections]
  const [key, connection] = all.find(([, one]) => isSending(one)) ?? all.find(([, one]) => one.isIdle) ?? []
  if (key === undefined || connection === undefined) return false
  connections.delete(key)
  connection.socket.destroy()
  return true
}

function isSending({ request, isIdle }: Connection): boolean {
  return request === undefined ? !isIdle : !request.complete
}

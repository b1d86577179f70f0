import type { Log } from '#lib'
import type { NodeSockets } from './node-sockets.ts'
import { createRelayedSockets, parseRelayAddress, RelayError } from './relayed-sockets.ts'
import { unixSockets } from './unix-sockets.ts'

/** The sockets of this process: through the relay where one has started it. */
export function socketsOf(env: Readonly<Record<string, string | undefined>>, log: Log): NodeSockets {
  const relay = parseRelayAddress(env.KEYMOUNT_RELAY)
  if (relay !== undefined) return createRelayedSockets({ relay, log })
  return process.platform === 'win32' ? withoutRelay : unixSockets
}

/** On Windows Node takes the path of a socket for the name of a pipe, and refuses it with a code that explains nothing. */
const withoutRelay: NodeSockets = {
  ...unixSockets,
  serve: (path) =>
    Promise.reject(
      new RelayError(
        'RelayMissing',
        `cannot listen on ${path}: Node.js has no Unix sockets on Windows, and this program was not started by relay.exe of the image. Use the image, or --endpoint=tcp://127.0.0.1:PORT`,
      ),
    ),
}

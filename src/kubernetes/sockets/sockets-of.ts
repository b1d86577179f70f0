import type { Log } from '#lib'
import type { NodeSockets } from './node-sockets.ts'
import { createRelayedSockets, parseRelayAddress } from './relayed-sockets.ts'
import { unixSockets } from './unix-sockets.ts'

/** The sockets of this process: through the relay where one has started it. */
export function socketsOf(env: Readonly<Record<string, string | undefined>>, log: Log): NodeSockets {
  const relay = parseRelayAddress(env.KEYMOUNT_RELAY)
  return relay === undefined ? unixSockets : createRelayedSockets({ relay, log })
}

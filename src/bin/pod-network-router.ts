import type { Socket } from 'node:net'
import { type FromRouter, serveRouter, type ToRouter } from '#lab/router'

/** Started by the local cluster with a channel, in a network namespace of its own. Ends with the channel. */
serveRouter({
  send: (message: FromRouter, socket?: Socket) => {
    process.send?.(message, socket, undefined, () => undefined)
  },
  onMessage: (handler) => process.on('message', (message: ToRouter) => handler(message)),
})
process.on('disconnect', () => process.exit())

import type { Socket } from 'node:net'

/** Sends what each of two connections receives to the other. One that ends for good ends the other. */
export function joinSockets(first: Socket, second: Socket): void {
  for (const [from, to] of [
    [first, second],
    [second, first],
  ] as const) {
    // The end of one direction is passed on by itself.
    from.allowHalfOpen = true
    from.on('error', () => to.destroy())
    from.on('close', () => {
      if (!from.readableEnded) to.destroy()
    })
    from.pipe(to)
  }
}

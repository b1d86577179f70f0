import type { EventsConfirmation } from '#kubernetes/client'

/**
 * Polling while the operator confirms that it hears of every change: at the interval that it names, of volumes that were read as a whole since then.
 * All by this node's own clock: a confirmation counts from when this node first saw it, because wall clocks differ and are set.
 */
export interface ConfirmedEvents {
  /** Of the last confirmation; undefined where there has been none. */
  beat: number | undefined
  /** When this node first saw it, by `clock.elapsed()`. */
  beatAt: number
  /** The last one that this node saw coming: the first that it sees may be of an operator that has ended long ago. */
  trusted: EventsConfirmation | undefined
  /** Whether there has been one. */
  hasTrusted: boolean
  /** Of the vaults that are confirmed: the period, and when this node first saw it, by `clock.elapsed()`. */
  periods: ReadonlyMap<string, { id: string; seenAt: number }>
  /** Of the last confirmation, trusted or not: volumes may be polled as rarely soon. 0 before the first. */
  intervalMs: number
  /** Stops the timer that ends the trust. */
  cancel(): void
}

export function noConfirmedEvents(): ConfirmedEvents {
  return {
    beat: undefined,
    beatAt: 0,
    trusted: undefined,
    hasTrusted: false,
    periods: new Map(),
    intervalMs: 0,
    cancel: () => {},
  }
}

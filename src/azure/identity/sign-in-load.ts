import { type Clock, systemClock } from '#lib'

/**
 * How busy Entra reports to be with each application: it counts the sign-ins of all nodes together, and publishes no limit.
 * The load of an application rises by one with each 429, to five at most, and falls back to zero within ten minutes.
 */
export interface SignInLoad {
  rise(application: string): void
  /** 0 to 5. */
  of(application: string): number
}

const fallMs = 10 * 60_000
const maxLoad = 5
/** Applications that are remembered; the one whose last 429 is the longest ago goes first. */
const maxApplications = 1000

export function createSignInLoad({ clock = systemClock }: { clock?: Clock | undefined } = {}): SignInLoad {
  const loads = new Map<string, { load: number; at: number }>()
  const of = (application: string) => {
    const { load, at } = loads.get(application) ?? { load: 0, at: 0 }
    return load * Math.max(0, 1 - (clock.elapsed() - at) / fallMs)
  }
  return {
    of,
    rise(application) {
      const load = Math.min(of(application) + 1, maxLoad)
      loads.delete(application)
      loads.set(application, { load, at: clock.elapsed() })
      for (const oldest of loads.keys()) {
        if (loads.size <= maxApplications) break
        loads.delete(oldest)
      }
    },
  }
}

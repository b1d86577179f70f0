import type { Clock } from '#lib'

/** Entries that several namespaces share. */
export interface FairTable<T> {
  /** Keeps or renews an entry for so many milliseconds. */
  set(key: string, value: T, owner: { namespace: string; keepMs: number }): void
  /** The values of all entries that were renewed in their time. */
  values(): T[]
}

interface Entry<T> {
  value: T
  namespace: string
  until: number
}

/**
 * A table of at most `limit` entries, of which no namespace keeps another from having its share: when it is full, a namespace with
 * fewer entries takes the place of an entry of the one that has most.
 */
export function createFairTable<T>(limit: number, clock: Clock): FairTable<T> {
  const entries = new Map<string, Entry<T>>()
  const held = new Map<string, number>()
  const remove = (key: string) => {
    const namespace = entries.get(key)?.namespace
    if (namespace === undefined) return
    entries.delete(key)
    const left = (held.get(namespace) ?? 1) - 1
    if (left === 0) held.delete(namespace)
    else held.set(namespace, left)
  }
  return {
    set(key, value, { namespace, keepMs }) {
      remove(key)
      if (entries.size >= limit) {
        const [most = '', count = 0] = [...held].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0])
        if ((held.get(namespace) ?? 0) + 1 >= count) return
        for (const [other, entry] of entries)
          if (entry.namespace === most) {
            remove(other)
            break
          }
      }
      entries.set(key, { value, namespace, until: clock.elapsed() + keepMs })
      held.set(namespace, (held.get(namespace) ?? 0) + 1)
    },
    values() {
      const now = clock.elapsed()
      for (const [key, { until }] of entries) if (until < now) remove(key)
      return [...entries.values()].map(({ value }) => value)
    },
  }
}

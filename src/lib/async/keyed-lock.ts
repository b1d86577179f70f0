/** One holder per key at a time; others wait in the order of their calls. */
export interface KeyedLock {
  run<T>(key: string, work: () => Promise<T>): Promise<T>
  /** Whether the key is locked now. */
  held(key: string): boolean
}

export function createKeyedLock(): KeyedLock {
  const tails = new Map<string, Promise<unknown>>()
  return {
    run(key, work) {
      const before = tails.get(key) ?? Promise.resolve()
      const mine = before.then(work, work)
      tails.set(key, mine)
      const release = () => {
        if (tails.get(key) === mine) tails.delete(key)
      }
      mine.then(release, release)
      return mine
    },
    held: (key) => tails.has(key),
  }
}

/** A queue whose owners take turns: one with a thousand entries delays another's first one by one entry only. */
export interface TurnQueue<T extends { owner: string }> {
  readonly size: number
  sizeOf(owner: string): number
  add(entry: T): void
  /** Takes an entry out; false when it is not in the queue. */
  remove(entry: T): boolean
  /** Takes the first entry of the owner whose turn it is, passing over owners that may not have one now. */
  next(mayHave: (owner: string) => boolean): T | undefined
  /** Takes everything out. */
  clear(): T[]
}

export function createTurnQueue<T extends { owner: string }>(): TurnQueue<T> {
  /** The owner whose turn is next comes first. */
  const entries = new Map<string, T[]>()
  let size = 0
  const queue: TurnQueue<T> = {
    get size() {
      return size
    },
    sizeOf: (owner) => entries.get(owner)?.length ?? 0,
    add(entry) {
      const own = entries.get(entry.owner)
      if (own === undefined) entries.set(entry.owner, [entry])
      else own.push(entry)
      size++
    },
    remove(entry) {
      const own = entries.get(entry.owner)
      const index = own?.indexOf(entry) ?? -1
      if (own === undefined || index < 0) return false
      own.splice(index, 1)
      if (own.length === 0) entries.delete(entry.owner)
      size--
      return true
    },
    next(mayHave) {
      for (const [owner, own] of entries) {
        const [first] = own
        if (first === undefined || !mayHave(owner)) continue
        queue.remove(first)
        if (entries.delete(owner)) entries.set(owner, own)
        return first
      }
      return undefined
    },
    clear() {
      const all = [...entries.values()].flat()
      entries.clear()
      size = 0
      return all
    },
  }
  return queue
}

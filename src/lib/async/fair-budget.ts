/**
 * An amount that holders share, of memory for example. The last quarter of it is for holders that have less than a quarter each: one
 * that takes much never leaves nothing to the others.
 */
export interface FairBudget {
  /** What all of them have together. */
  readonly used: number
  usedBy(holder: string): number
  /** Whether this holder may have `more`. */
  hasRoom(holder: string, more: number): boolean
  /** Counts `amount`, whether there is room or not; a negative one is given back. */
  add(holder: string, amount: number): void
}

export function createFairBudget(total: number): FairBudget {
  const byHolder = new Map<string, number>()
  let used = 0
  const usedBy = (holder: string) => byHolder.get(holder) ?? 0
  return {
    get used() {
      return used
    },
    usedBy,
    hasRoom(holder, more) {
      const isSmall = usedBy(holder) + more <= total / 4
      return used + more <= (isSmall ? total : (total * 3) / 4)
    },
    add(holder, amount) {
      used += amount
      const own = usedBy(holder) + amount
      if (own === 0) byHolder.delete(holder)
      else byHolder.set(holder, own)
    },
  }
}

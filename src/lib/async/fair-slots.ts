/** Slots for work that is refused, rather than queued, when they run out. No holder gets more than its share of them. */
export interface FairSlots {
  /** Whether {@link take} would give this holder a slot now. */
  isFree(holder: string): boolean
  /** Takes a slot; the returned function gives it back and may be called twice. Undefined when none is left for the holder. */
  take(holder: string): (() => void) | undefined
}

/** @param perHolder default: a quarter of `total`. */
export function createFairSlots(total: number, perHolder: number = Math.ceil(total / 4)): FairSlots {
  const taken = new Map<string, number>()
  let all = 0
  const isFree = (holder: string) => all < total && (taken.get(holder) ?? 0) < perHolder
  return {
    isFree,
    take(holder) {
      if (!isFree(holder)) return undefined
      all++
      taken.set(holder, (taken.get(holder) ?? 0) + 1)
      let held = true
      return () => {
        if (!held) return
        held = false
        all--
        const left = (taken.get(holder) ?? 1) - 1
        if (left > 0) taken.set(holder, left)
        else taken.delete(holder)
      }
    },
  }
}

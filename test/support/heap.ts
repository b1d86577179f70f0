/** A binary heap: `first` is the item that is before all others. */
export interface Heap<T> {
  first(): T | undefined
  push(item: T): void
  /** Removes the first. */
  pop(): void
}

export function createHeap<T>(isBefore: (a: T, b: T) => boolean): Heap<T> {
  const items: T[] = []
  return {
    first: () => items[0],
    push(item) {
      let index = items.push(item) - 1
      while (index > 0) {
        const parent = (index - 1) >> 1
        const above = items[parent] as T
        if (!isBefore(item, above)) break
        items[index] = above
        index = parent
      }
      items[index] = item
    },
    pop() {
      const last = items.pop()
      if (last === undefined || items.length === 0) return
      let index = 0
      for (;;) {
        let child = 2 * index + 1
        if (child >= items.length) break
        if (child + 1 < items.length && isBefore(items[child + 1] as T, items[child] as T)) child++
        const below = items[child] as T
        if (!isBefore(below, last)) break
        items[index] = below
        index = child
      }
      items[index] = last
    },
  }
}

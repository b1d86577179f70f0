/** Joins concurrent calls of one key: the first starts the work, the others await the same promise. Nothing is kept afterwards. */
export type SingleFlight<T> = (key: string, run: () => Promise<T>) => Promise<T>

export function createSingleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Promise<T>>()
  return (key, run) => {
    const running = flights.get(key)
    if (running !== undefined) return running
    const flight = run().finally(() => flights.delete(key))
    flights.set(key, flight)
    return flight
  }
}

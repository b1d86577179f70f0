import { type Counter, type Histogram, timed } from '#lib'

/** Upstream's bucket bounds of both programs, in seconds. */
export const operationBuckets = [0.5, 1, 2, 3, 4, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 100]

/** Measures calls to Azure, and counts those that fail, by their operation. */
export interface OperationSeries {
  seconds: Histogram<{ operation_type: string }>
  errors: Counter<{ operation_type: string }>
}

export async function measured<T>(
  { seconds, errors }: OperationSeries,
  operation: string,
  call: () => Promise<T>,
): Promise<T> {
  const labels = { operation_type: operation }
  try {
    return await timed((elapsed) => seconds.observe(elapsed, labels), call)
  } catch (error) {
    errors.add(labels)
    throw error
  }
}

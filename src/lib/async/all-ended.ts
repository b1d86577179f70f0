/**
 * Like `Promise.all`, but when one fails it waits for the others before it throws: nothing that was started is still at work
 * when the caller cleans up. Throws the first failure in the order of `work`.
 */
export async function allEnded<const Work extends readonly unknown[]>(
  work: Work,
): Promise<{ -readonly [Index in keyof Work]: Awaited<Work[Index]> }> {
  await Promise.allSettled(work)
  return await Promise.all(work)
}

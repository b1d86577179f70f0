import { isMainThread } from 'node:worker_threads'
import { defineTask, serveTasks } from '#lib/worker'

/** Tasks for tests of worker pools, of the kinds that a pool has to survive; this file is also the entry of their threads. */
export const double = defineTask('double', (n: number) => n * 2)
export const refuse = defineTask('refuse', (text: string): string => {
  throw new Error(`refused: ${text}`)
})
export const spin = defineTask('spin', (): number => {
  for (;;) Math.random()
})
export const hoard = defineTask('hoard', (): number => {
  const all: object[] = []
  for (;;) all.push({ some: 'thing' })
})
export const leave = defineTask('leave', (): number => process.exit(3))
export const bytes = defineTask('bytes', (input: Uint8Array) => ({ length: input.length, first: input[0] }))
export const unserved = defineTask('unserved', () => 1)

export const workerTasksEntry = import.meta.filename

if (!isMainThread) serveTasks([double, refuse, spin, hoard, leave, bytes])

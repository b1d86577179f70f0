/**
 * lib/worker: work in threads of their own, with limits of memory and time. A part defines tasks (`defineTask`), the entry
 * `src/bin/worker.ts` serves all of them (`serveTasks`), and a program runs them by `createWorkerPool().run(task, input)`.
 * Threads start with the first task and end when idle.
 */
export * from './serve-tasks.ts'
export * from './task.ts'
export * from './worker-entry.ts'
export * from './worker-pool.ts'

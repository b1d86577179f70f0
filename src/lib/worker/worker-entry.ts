import { join, resolve } from 'node:path'

/** The file of worker threads: `src/bin/worker.ts`, or in the image `worker.cjs` beside the program's own bundle. */
export function workerEntry(): string {
  if (import.meta.filename.endsWith('.ts')) return resolve(import.meta.dirname, '../../bin/worker.ts')
  return join(import.meta.dirname, 'worker.cjs')
}

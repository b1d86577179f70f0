import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A test's context, or `{ after }` of node:test for a whole suite. */
export interface Cleanup {
  after(run: () => void | Promise<void>): void
}

/**
 * A new directory below the machine's temporary one. It is removed after every other `after` hook of the test, however
 * early it was made, so that what works in it has stopped by then.
 */
export function temporaryDirectory(t: Cleanup, prefix = 'keymount-'): string {
  const directory = mkdtempSync(join(tmpdir(), prefix))
  t.after(() => t.after(() => rmSync(directory, { recursive: true, force: true, maxRetries: 5 })))
  return directory
}

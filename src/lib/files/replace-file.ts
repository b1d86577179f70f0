import { renameSync, writeFileSync } from 'node:fs'

/** Writes a text file whole or not at all, also when the process is killed meanwhile. Mode 0600 by default. */
export function replaceFile(path: string, text: string, mode = 0o600): void {
  writeFileSync(`${path}.next`, text, { mode })
  renameSync(`${path}.next`, path)
}

import { renameSync, rmSync, writeFileSync } from 'node:fs'

/**
 * Replaces a file whole or not at all, also when the process is killed meanwhile. Not for two processes at once.
 * @param mode of the new file, whatever an old one had. Default 0600.
 */
export function replaceFile(path: string, content: string | Uint8Array, mode = 0o600): void {
  const next = `${path}.next`
  // What a killed process left has another content and may have another mode.
  rmSync(next, { force: true })
  try {
    writeFileSync(next, content, { mode, flag: 'wx' })
    renameSync(next, path)
  } catch (error) {
    rmSync(next, { force: true })
    throw error
  }
}

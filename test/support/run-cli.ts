import { execFile } from 'node:child_process'
import { join } from 'node:path'

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

const entry = join(import.meta.dirname, '../../bin/keymount.mjs')

/** Runs `keymount` as a user does: as its own process, from `bin/`. */
export function runCli(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [entry, ...args],
      { env: { ...process.env, ...env }, timeout: 180_000, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, stdout, stderr })
      },
    )
  })
}

import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface CliResult {
  code: number
  stdout: string
  stderr: string
}

const packageRoot = join(import.meta.dirname, '../..')
const entry = join(packageRoot, 'bin/keymount.mjs')

/** Images and compiled code of the labs of all tests. */
const cacheDirectory = join(packageRoot, 'node_modules/.cache/tests')

/** The image that labs of tests run. */
export const imageCache = join(cacheDirectory, 'keymount/image')

/**
 * The environment of every `keymount` that a test starts: nothing of the developer's or the test runner's but PATH, so that
 * no test depends on a terminal, on colours, a locale, a time zone or a home directory.
 */
export function cliEnvironment(): Record<string, string> {
  const home = join(cacheDirectory, 'home')
  mkdirSync(home, { recursive: true })
  return { PATH: process.env.PATH ?? '', HOME: home, TMPDIR: tmpdir(), XDG_CACHE_HOME: cacheDirectory, LANG: 'C.UTF-8' }
}

/** The words that start `keymount` as a user does: as its own process, from `bin/`. */
export const cliCommand: readonly [string, string] = [process.execPath, entry]

/** Runs `keymount` to its end, with these variables in addition to {@link cliEnvironment}. */
export function runCli(args: readonly string[], env: Record<string, string> = {}): Promise<CliResult> {
  const [program, ...words] = cliCommand
  return new Promise((resolve) => {
    execFile(
      program,
      [...words, ...args],
      { env: { ...cliEnvironment(), ...env }, timeout: 180_000, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : typeof error.code === 'number' ? error.code : 1
        resolve({ code, stdout, stderr })
      },
    )
  })
}

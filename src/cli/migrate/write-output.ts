import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { CliError } from '#terminal'

/** Throws {@link CliError} for a directory that has something in it. */
export function refuseOccupied(directory: string): void {
  const path = resolve(directory)
  if (!existsSync(path)) return
  let entries: readonly string[]
  try {
    entries = readdirSync(path)
  } catch {
    throw new CliError({ what: `${directory} is not a directory`, fix: ['choose another one: -o DIR'], code: 'usage' })
  }
  if (entries.length === 0) return
  throw new CliError({
    what: `${directory} is not empty`,
    why: 'nothing is overwritten: what is there may have been edited',
    fix: ['choose another directory: -o DIR', `or remove it: rm -r ${directory}`],
    code: 'usage',
  })
}

/** Writes the files as one directory: there is all of it, or nothing. */
export function writeDirectory(directory: string, files: readonly { path: string; text: string }[]): void {
  refuseOccupied(directory)
  const target = resolve(directory)
  mkdirSync(dirname(target), { recursive: true })
  const next = mkdtempSync(join(dirname(target), `.${basename(target)}-`))
  try {
    chmodSync(next, 0o755)
    for (const { path, text } of files) {
      const file = join(next, path)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, text, { flag: 'wx' })
    }
    renameSync(next, target)
  } finally {
    rmSync(next, { recursive: true, force: true })
  }
}

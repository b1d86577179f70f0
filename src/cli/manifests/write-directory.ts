import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { errorMessage } from '#lib'
import { makeDirectories } from '#lib/files'
import { CliError } from '#terminal'

/** Throws {@link CliError} for a directory that has something in it. @param flag with which the user named it */
export function refuseOccupied(directory: string, flag: string): void {
  const path = resolve(directory)
  if (!existsSync(path)) return
  let entries: readonly string[]
  try {
    entries = readdirSync(path)
  } catch {
    throw new CliError({
      what: `${directory} is not a directory`,
      fix: [`choose another one: ${flag} DIR`],
      code: 'usage',
    })
  }
  if (entries.length === 0) return
  throw new CliError({
    what: `${directory} is not empty`,
    why: 'nothing is overwritten: what is there may have been edited',
    fix: [`choose another directory: ${flag} DIR`, `or remove it: rm -r ${directory}`],
    code: 'usage',
  })
}

/** Writes the files as one directory: there is all of it, or nothing. */
export function writeDirectory(
  directory: string,
  flag: string,
  files: readonly { path: string; text: string }[],
): void {
  refuseOccupied(directory, flag)
  const target = resolve(directory)
  const next = temporaryBeside(target, flag)
  try {
    chmodSync(next, 0o755)
    for (const { path, text } of files) {
      const file = join(next, path)
      if (relative(next, file).startsWith('..')) throw new Error(`${path} is outside of the directory`)
      makeDirectories(dirname(file))
      writeFileSync(file, text, { flag: 'wx' })
    }
    renameSync(next, target)
  } finally {
    rmSync(next, { recursive: true, force: true })
  }
}

function temporaryBeside(target: string, flag: string): string {
  try {
    makeDirectories(dirname(target))
    return mkdtempSync(join(dirname(target), `.${basename(target)}-`))
  } catch (cause) {
    throw new CliError({
      what: `The directory ${target} cannot be created`,
      why: errorMessage(cause),
      fix: [`choose another one: ${flag} DIR`],
      code: 'usage',
      cause,
    })
  }
}

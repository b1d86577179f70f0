import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** A program that not every machine has: the one that the variable names, else the first of that name on the PATH. */
export function findProgram(name: string, variable: string): string | undefined {
  const directories = (process.env.PATH ?? '').split(':').map((directory) => join(directory, name))
  return [process.env[variable] ?? '', ...directories].find(isProgram)
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return path !== ''
  } catch {
    return false
  }
}

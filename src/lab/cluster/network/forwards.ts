import { readFileSync } from 'node:fs'
import { errorCode } from '#lib'
import { parseJson, recordOf } from '#lib/formats'

/** Servers of the machine, by the address and port at which pods reach them: both as `ADDRESS:PORT`. */
export type Forwards = Readonly<Record<string, string>>

/** The file in the image overlay that names {@link Forwards}. */
export const forwardsFile = '.forwards'

/** None if there is no such file. Entries that are not addresses are left out. */
export function readForwards(file: string): Forwards {
  const forwards: Record<string, string> = {}
  for (const [from, to] of Object.entries(readFile(file))) {
    if (typeof to === 'string' && isEndpoint(from) && isEndpoint(to)) forwards[from] = to
  }
  return forwards
}

function readFile(file: string): Record<string, unknown> {
  try {
    return recordOf(parseJson(file, readFileSync(file))) ?? {}
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return {}
    throw error
  }
}

function isEndpoint(text: string): boolean {
  return /^\d{1,3}(\.\d{1,3}){3}:\d{1,5}$/.test(text)
}

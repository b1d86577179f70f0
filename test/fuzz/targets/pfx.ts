import { readPkcs12 } from '#lib/formats'
import { refusesLater } from '../expected-error.ts'

/** A certificate with its key, as a vault or a Secret of a tenant holds it. */
export async function fuzz(data: Buffer): Promise<void> {
  await refusesLater(() => readPkcs12(data), isParserError)
  await refusesLater(() => readPkcs12(data, 'password'), isParserError)
}

/** The library throws plain errors; the caller reports that the file is not a PFX, whatever they are. */
function isParserError(error: unknown): boolean {
  return (
    error instanceof Error && !(error instanceof RangeError) && !/Maximum call stack|out of memory/.test(error.message)
  )
}

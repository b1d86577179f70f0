import { parseSourceJson, printSourceJson, sourceJsonAt } from '#lib/formats'

/** Gives the text of the value at a path: a string's characters, anything else as JSON. Undefined for a path without a value. */
export type JsonExtractor = (steps: readonly (string | number)[]) => string | undefined

/** Parses a JSON document once, for any number of paths. Throws for text that is not JSON, without quoting it. */
export function jsonExtractor(json: string): JsonExtractor {
  let document: unknown
  try {
    document = parseSourceJson('the value', json)
  } catch {
    throw new Error('the value is not JSON')
  }
  return (steps) => {
    const value = sourceJsonAt(document, steps)
    return value === undefined || typeof value === 'string' ? value : printSourceJson(value)
  }
}

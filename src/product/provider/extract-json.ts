import { parseJson } from '#lib/formats'

/** A number with the digits it was written with; JavaScript's numbers would round a long one. */
class SourceNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** Gives the text of the value at a path: a string's characters, anything else as JSON. Undefined for a path without a value. */
export type JsonExtractor = (steps: readonly (string | number)[]) => string | undefined

/** Parses a JSON document once, for any number of paths. Throws for text that is not JSON, without quoting it. */
export function jsonExtractor(json: string): JsonExtractor {
  let document: unknown
  try {
    document = parseJson('the value', json, { reviver: keepNumbers })
  } catch {
    throw new Error('the value is not JSON')
  }
  return (steps) => {
    let value = document
    for (const step of steps) {
      if (typeof value !== 'object' || value === null || value instanceof SourceNumber) return undefined
      if (Array.isArray(value) !== (typeof step === 'number') || !Object.hasOwn(value, step)) return undefined
      value = (value as Record<string | number, unknown>)[step]
    }
    return typeof value === 'string' ? value : toJson(value)
  }
}

function keepNumbers(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? new SourceNumber(context.source) : value
}

function toJson(value: unknown): string {
  if (value instanceof SourceNumber) return value.source
  if (Array.isArray(value)) return `[${value.map(toJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${toJson(inner)}`)
    return `{${members.join(',')}}`
  }
  return JSON.stringify(value)
}

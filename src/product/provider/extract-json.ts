/** A number with the digits it was written with; JavaScript's numbers would round a long one. */
class SourceNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/**
 * The text of one value of a JSON document: a string's characters, anything else as JSON. Undefined when it is not there.
 * Throws when `json` is no JSON; the message does not quote it.
 */
export function extractJson(json: string, steps: readonly (string | number)[]): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(json, keepNumbers)
  } catch {
    throw new Error('the value is not JSON')
  }
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || value instanceof SourceNumber) return undefined
    if (Array.isArray(value) !== (typeof step === 'number') || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return typeof value === 'string' ? value : toJson(value)
}

/** `context.source` is JavaScript of 2025; TypeScript's library does not know it yet. */
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

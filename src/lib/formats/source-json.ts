import { type JsonLimits, parseJson } from './json.ts'

/** A number of a JSON text with the digits it was written with; JavaScript's numbers would round a long one. */
export class SourceNumber {
  readonly source: string
  constructor(source: string) {
    this.source = source
  }
}

/** {@link parseJson} with every number as a {@link SourceNumber}. */
export function parseSourceJson(what: string, json: string, limits: Omit<JsonLimits, 'reviver'> = {}): unknown {
  return parseJson(what, json, { ...limits, reviver: keepNumber })
}

function keepNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  return typeof value === 'number' && context?.source !== undefined ? new SourceNumber(context.source) : value
}

/** The value at a path of member names and array indexes; undefined for a path without one. */
export function sourceJsonAt(document: unknown, steps: readonly (string | number)[]): unknown {
  let value = document
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || value instanceof SourceNumber) return undefined
    if (Array.isArray(value) !== (typeof step === 'number') || !Object.hasOwn(value, step)) return undefined
    value = (value as Record<string | number, unknown>)[step]
  }
  return value
}

/** JSON without blanks, numbers as they were written. */
export function printSourceJson(value: unknown): string {
  if (value instanceof SourceNumber) return value.source
  if (Array.isArray(value)) return `[${value.map(printSourceJson).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(([key, inner]) => `${JSON.stringify(key)}:${printSourceJson(inner)}`)
    return `{${members.join(',')}}`
  }
  return JSON.stringify(value)
}

import { inspect } from 'node:util'

const redacted = '[redacted]'

/** `String(v)`, template strings, `JSON.stringify`, `console.log` and the logger all give `[redacted]` for an instance. */
export class Unprintable {
  toString(): string {
    return redacted
  }

  toJSON(): string {
    return redacted
  }

  [inspect.custom](): string {
    return redacted
  }
}

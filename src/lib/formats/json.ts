import { CodedError } from '#lib'
import { findJsonFault } from './json-fault.ts'

export interface JsonLimits {
  /** Longest text, in UTF-16 code units for a string and in bytes for a buffer. Default: no limit, for texts that were bounded when they were read. */
  maxLength?: number | undefined
  /** How deep objects and lists may nest. Code that walks the value recursively relies on it. Default 128. */
  maxDepth?: number | undefined
  /**
   * How many values there may be, those inside of others included. A text of empty objects takes twenty times its length in
   * memory once it is parsed. Default: no limit, for texts that are short or whose author is trusted.
   */
  maxValues?: number | undefined
  /** As of `JSON.parse`; `context.source` is the text of a scalar as it was written. */
  reviver?: ((key: string, value: unknown, context?: { source?: string }) => unknown) | undefined
}

export type JsonErrorCode = 'json-invalid' | 'json-too-deep' | 'json-too-large' | 'json-too-many-values'

/** A text that is not acceptable JSON. The message gives position and kind of the fault and never quotes the text. */
export class JsonError extends CodedError<JsonErrorCode> {}

/**
 * Parses JSON. The errors of `JSON.parse` quote the text around a fault, which may be a secret; this one's do not.
 *
 * @param what names the text in errors, for example `the cloud file azurestackcloud.json`.
 * @throws {JsonError}
 */
export function parseJson(what: string, text: string | Uint8Array, limits: JsonLimits = {}): unknown {
  const { maxLength = Number.POSITIVE_INFINITY, reviver } = limits
  if (text.length > maxLength) {
    const unit = typeof text === 'string' ? 'characters' : 'bytes'
    throw new JsonError('json-too-large', `${what} has ${text.length} ${unit}, more than the ${maxLength} allowed`)
  }
  const json = typeof text === 'string' ? text : textOf(text)
  checkStructure(what, json, limits)
  try {
    return JSON.parse(json, reviver)
  } catch {
    // Without a cause: it would carry the quotation into logs.
    throw new JsonError('json-invalid', `${what} is not valid JSON: ${faultOf(json)}`)
  }
}

function textOf(bytes: Uint8Array): string {
  return (Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)).toString('utf8')
}

function faultOf(text: string): string {
  const { line, column, found, expected } = findJsonFault(text)
  return `line ${line}, column ${column}: found ${found}, expected ${expected}`
}

/** Counts brackets and commas outside of strings; what is not JSON is left for the parser. */
function checkStructure(what: string, text: string, limits: JsonLimits): void {
  const { maxDepth = 128, maxValues = Number.POSITIVE_INFINITY } = limits
  // A text needs a bracket and its partner for each level, and a character and a comma for each value.
  if (text.length <= maxDepth && text.length <= maxValues) return
  let depth = 0
  let values = 1
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) i = endOfString(text, i)
    else if (code === 0x5b || code === 0x7b) {
      depth++
      values++
    } else if (code === 0x5d || code === 0x7d) depth--
    else if (code === 0x2c) values++
    if (depth > maxDepth)
      throw new JsonError('json-too-deep', `${what} nests deeper than the ${maxDepth} levels allowed`)
    if (values > maxValues)
      throw new JsonError('json-too-many-values', `${what} has more than the ${maxValues} values allowed`)
  }
}

/** Index of the quote that ends the string that begins at `start`, or the end of the text. */
function endOfString(text: string, start: number): number {
  for (let i = start + 1; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x22) return i
    if (code === 0x5c) i++
  }
  return text.length
}

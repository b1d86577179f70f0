import { isRecord, setField } from '../api-object.ts'
import type { Schema } from '../kinds/structural-schema.ts'
import { base64Fault } from './base64.ts'
import { quantityText } from './quantity.ts'
import { timeFault } from './time.ts'

/**
 * A real API server decodes a built-in kind into structures of Go, so a value of a wrong type is a malformed request, not an
 * invalid object. Drops `null` fields, which Go treats as absent.
 *
 * @returns the first fault, in the words of Go; undefined when the value has the types of the schema.
 */
export function decodeFault(schema: Schema, value: unknown, struct = '', path = ''): string | undefined {
  if (schema['x-kubernetes-preserve-unknown-fields'] || value === undefined) return undefined
  const mismatch = typeFault(schema, value)
  if (mismatch !== undefined) {
    return `json: cannot unmarshal ${mismatch} into Go struct field ${struct}.${path} of type ${goType(schema)}`
  }
  if (Array.isArray(value))
    return firstFault(value, (item) => decodeFault(schema.items ?? {}, item ?? {}, struct, path))
  if (isRecord(value)) return recordFault(schema, value, struct, path)
  return textFault(schema, value)
}

function recordFault(schema: Schema, value: Record<string, unknown>, struct: string, path: string): string | undefined {
  const { properties, additionalProperties, 'x-go-type': name = '' } = schema
  if (typeof additionalProperties === 'object') {
    for (const [key, item] of Object.entries(value)) if (item === null) setField(value, key, '')
    return firstFault(Object.values(value), (item) => decodeFault(additionalProperties, item, struct, path))
  }
  for (const [field, child] of Object.entries(value)) {
    if (child === null && !properties?.[field]?.['x-kubernetes-preserve-unknown-fields']) delete value[field]
  }
  const inside = name.slice(name.indexOf('.') + 1)
  return firstFault(Object.entries(value), ([field, child]) => {
    const schemaOfField = properties !== undefined && Object.hasOwn(properties, field) ? properties[field] : undefined
    const below = path === '' ? field : `${path}.${field}`
    return schemaOfField && decodeFault(schemaOfField, child, inside, below)
  })
}

function firstFault<T>(items: readonly T[], faultOf: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const fault = faultOf(item)
    if (fault !== undefined) return fault
  }
  return undefined
}

/** What was found, when it is not of the schema's type. */
function typeFault(
  { type, format, 'x-kubernetes-int-or-string': intOrString }: Schema,
  value: unknown,
): string | undefined {
  const found = kindOf(value)
  if (intOrString) return found === 'string' || found === 'number' ? undefined : found
  if (type === 'integer') {
    if (found !== 'number') return found
    return fitsInteger(value as number, format) ? undefined : `number ${value}`
  }
  const expected = ({ boolean: 'bool', number: 'number', string: 'string', array: 'array', object: 'object' } as const)[
    type ?? 'object'
  ]
  return found === expected ? undefined : found
}

function fitsInteger(value: number, format: string | undefined): boolean {
  return Number.isInteger(value) && (format !== 'int32' || (value >= -(2 ** 31) && value < 2 ** 31))
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

function goType({
  type,
  items,
  additionalProperties,
  'x-go-type': name,
  'x-kubernetes-int-or-string': either,
}: Schema): string {
  if (type === 'array') return `[]${goType(items ?? {})}`
  if (typeof additionalProperties === 'object') return `map[string]${goType(additionalProperties)}`
  // Times and quantities decode themselves from a string.
  return name === undefined || name.endsWith('Time') || either ? 'string' : name
}

/** What is wrong with a text whose form is fixed. */
function textFault({ format, 'x-go-type': name }: Schema, value: unknown): string | undefined {
  if (name === 'resource.Quantity' && !quantityText.test(String(value))) {
    return `quantities must match the regular expression '${quantityText.source}'`
  }
  if (typeof value !== 'string') return undefined
  if (format === 'byte') {
    const at = base64Fault(value)
    return at === undefined ? undefined : `illegal base64 data at input byte ${at}`
  }
  return format === 'date-time' ? timeFault(value, { micro: name === 'v1.MicroTime' }) : undefined
}

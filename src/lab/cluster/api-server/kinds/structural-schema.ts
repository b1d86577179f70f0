import { isDeepStrictEqual } from 'node:util'
import type { Causes } from '../api-error.ts'
import { isRecord } from '../api-object.ts'

/** The part of OpenAPI v3 that the local cluster supports. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | boolean
  items?: Schema
  enum?: unknown[]
  default?: unknown
  description?: string
  format?: string
  nullable?: boolean
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
  'x-kubernetes-validations'?: SchemaRule[]
  /** Name of the Go type of a built-in kind's field, which decoding errors contain. */
  'x-go-type'?: string
}

/** A rule in CEL. */
export interface SchemaRule {
  rule: string
  message?: string
  messageExpression?: string
  reason?: string
  fieldPath?: string
}

const keywords = new Set([
  ...['type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'default', 'nullable', 'pattern'],
  ...['minimum', 'maximum', 'minLength', 'maxLength', 'minItems', 'maxItems'],
  ...[
    'preserve-unknown-fields',
    'int-or-string',
    'embedded-resource',
    'list-type',
    'list-map-keys',
    'map-type',
    'validations',
  ].map((name) => `x-kubernetes-${name}`),
  // Refused by the validation of definitions.
  ...['$ref', 'uniqueItems'],
  // These are for readers of the schema.
  ...['description', 'title', 'format', 'example', 'externalDocs'],
])

/** The keywords of a schema that the local cluster does not check. A definition with one of them is refused. */
export function unknownKeywords(schema: Schema): string[] {
  const { properties = {}, additionalProperties, items } = schema
  const children = [...Object.values(properties), additionalProperties, items].filter(isRecord)
  return [...Object.keys(schema).filter((name) => !keywords.has(name)), ...children.flatMap(unknownKeywords)]
}

const join = (path: string, field: string) => (path === '' ? field : `${path}.${field}`)

/** Removes the fields that the schema does not have. @returns their paths. */
export function prune(schema: Schema, value: unknown, path = ''): string[] {
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? [] : value.flatMap((item, index) => prune(items, item, `${path}[${index}]`))
  }
  if (!isRecord(value)) return []
  const unknown: string[] = []
  for (const [field, child] of Object.entries(value)) {
    const childOf = childSchema(schema, field)
    if (childOf !== undefined) unknown.push(...prune(childOf, child, join(path, field)))
    else if (!schema['x-kubernetes-preserve-unknown-fields']) {
      unknown.push(join(path, field))
      delete value[field]
    }
  }
  return unknown
}

/** Fills absent fields that have a default, at every depth. */
export function applyDefaults(schema: Schema, value: unknown): void {
  if (Array.isArray(value)) {
    for (const item of value) if (schema.items !== undefined) applyDefaults(schema.items, item)
    return
  }
  if (!isRecord(value)) return
  for (const [field, child] of Object.entries(schema.properties ?? {})) {
    const missing = value[field] === undefined || (value[field] === null && child.nullable !== true)
    if (missing && child.default !== undefined) value[field] = structuredClone(child.default)
  }
  for (const [field, child] of Object.entries(value)) {
    const childOf = childSchema(schema, field)
    if (childOf !== undefined) applyDefaults(childOf, child)
  }
}

/** Fields of every object, also of one inside of another. */
const embeddedFields: Record<string, Schema> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
}

export function childSchema(schema: Schema, field: string): Schema | undefined {
  if (schema['x-kubernetes-embedded-resource'] && Object.hasOwn(embeddedFields, field)) return embeddedFields[field]
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, field)) return schema.properties[field]
  const { additionalProperties } = schema
  if (additionalProperties === true) return { 'x-kubernetes-preserve-unknown-fields': true }
  return additionalProperties === false ? undefined : additionalProperties
}

/** Adds every rule of the schema that the value breaks. */
export function validateSchema(causes: Causes, schema: Schema, value: unknown, path = ''): void {
  if (value === null && schema.nullable) return
  const mismatch = typeMismatch(schema, value)
  if (mismatch !== undefined) {
    causes.mistyped(path, typeOf(value), mismatch)
    return
  }
  if (schema.enum !== undefined && !schema.enum.some((allowed) => isDeepStrictEqual(allowed, value))) {
    causes.unsupported(path, value, schema.enum)
  }
  validateBounds(causes, schema, value, path)
  if (Array.isArray(value)) validateItems(causes, schema, value, path)
  else if (isRecord(value)) validateFields(causes, schema, value, path)
}

/** The types that the schema allows, when the value has another one. */
function typeMismatch(schema: Schema, value: unknown): string | undefined {
  const found = typeOf(value)
  if (schema['x-kubernetes-int-or-string'] && schema.type === undefined) {
    return found === 'integer' || found === 'string' ? undefined : 'integer,string'
  }
  if (schema.type === undefined || schema.type === found) return undefined
  return schema.type === 'number' && found === 'integer' ? undefined : schema.type
}

export function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (Number.isInteger(value)) return 'integer'
  return typeof value
}

function validateBounds(causes: Causes, schema: Schema, value: unknown, path: string): void {
  const { minimum, maximum, minLength, maxLength, pattern, minItems, maxItems } = schema
  const refuse = (rule: string) => causes.invalid(path, value, `${path} in body ${rule}`)
  if (typeof value === 'number') {
    if (minimum !== undefined && value < minimum) refuse(`should be greater than or equal to ${minimum}`)
    if (maximum !== undefined && value > maximum) refuse(`should be less than or equal to ${maximum}`)
  }
  if (typeof value === 'string') {
    const { length } = [...value]
    if (minLength !== undefined && length < minLength) refuse(`should be at least ${minLength} chars long`)
    if (maxLength !== undefined && length > maxLength) refuse(`should be at most ${maxLength} chars long`)
    if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) refuse(`should match '${pattern}'`)
  }
  if (Array.isArray(value)) {
    if (minItems !== undefined && value.length < minItems) refuse(`should have at least ${minItems} items`)
    if (maxItems !== undefined && value.length > maxItems) refuse(`should have at most ${maxItems} items`)
  }
}

function validateItems(causes: Causes, schema: Schema, list: readonly unknown[], path: string): void {
  const seen = new Set<string>()
  for (const [index, item] of list.entries()) {
    const at = `${path}[${index}]`
    if (schema.items !== undefined) validateSchema(causes, schema.items, item, at)
    const identity = identityOf(schema, item)
    if (identity === undefined) continue
    const text = JSON.stringify(identity)
    if (seen.has(text)) causes.duplicate(at, identity)
    seen.add(text)
  }
}

/** What must differ between the items of a list, if anything. */
export function identityOf(schema: Schema, item: unknown): unknown {
  const { 'x-kubernetes-list-type': type, 'x-kubernetes-list-map-keys': keys = [] } = schema
  if (type === 'map' && isRecord(item)) return Object.fromEntries(keys.map((key) => [key, item[key]]))
  return type === 'set' ? item : undefined
}

function validateFields(causes: Causes, schema: Schema, object: Record<string, unknown>, path: string): void {
  const embedded = schema['x-kubernetes-embedded-resource'] ? ['apiVersion', 'kind'] : []
  for (const field of [...(schema.required ?? []), ...embedded]) {
    if (!Object.hasOwn(object, field)) causes.required(join(path, field))
  }
  for (const [field, value] of Object.entries(object)) {
    const child = childSchema(schema, field)
    if (child !== undefined) validateSchema(causes, child, value, join(path, field))
  }
}

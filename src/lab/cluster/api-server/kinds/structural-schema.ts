import { isDeepStrictEqual } from 'node:util'
import { type Cause, invalidValue, required, unsupportedValue } from '../api-error.ts'
import { isRecord } from '../api-object.ts'

/** As much of OpenAPI v3 as the local cluster knows. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean'
  properties?: Record<string, Schema>
  required?: string[]
  additionalProperties?: Schema | boolean
  items?: Schema
  enum?: unknown[]
  default?: unknown
  nullable?: boolean
  pattern?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
}

const keywords = new Set([
  ...['type', 'properties', 'required', 'additionalProperties', 'items', 'enum', 'default', 'nullable', 'pattern'],
  ...['minimum', 'maximum', 'minLength', 'maxLength'],
  ...['preserve-unknown-fields', 'int-or-string', 'embedded-resource', 'list-type', 'list-map-keys', 'map-type'].map(
    (name) => `x-kubernetes-${name}`,
  ),
  // What these say is for people.
  ...['description', 'title', 'format', 'example', 'externalDocs'],
])

/** The keywords of a schema that nobody here would check. A definition with one of them is better refused. */
export function unknownKeywords(schema: Schema): string[] {
  const { properties = {}, additionalProperties, items } = schema
  const children = [...Object.values(properties), additionalProperties, items].filter(isRecord)
  return [...Object.keys(schema).filter((name) => !keywords.has(name)), ...children.flatMap(unknownKeywords)]
}

const join = (path: string, field: string) => (path === '' ? field : `${path}.${field}`)

/** Removes the fields that the schema does not name and gives their paths. */
export function prune(schema: Schema, value: unknown, path = ''): string[] {
  if (Array.isArray(value)) {
    const { items } = schema
    return items === undefined ? [] : value.flatMap((item, index) => prune(items, item, `${path}[${index}]`))
  }
  if (!isRecord(value)) return []
  const unknown: string[] = []
  for (const [field, child] of Object.entries(value)) {
    const known = childSchema(schema, field)
    if (known !== undefined) unknown.push(...prune(known, child, join(path, field)))
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
    const known = childSchema(schema, field)
    if (known !== undefined) applyDefaults(known, child)
  }
}

/** What every object has, also one inside of another. */
const embeddedFields: Record<string, Schema> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
}

function childSchema(schema: Schema, field: string): Schema | undefined {
  if (schema['x-kubernetes-embedded-resource'] && Object.hasOwn(embeddedFields, field)) return embeddedFields[field]
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, field)) return schema.properties[field]
  const { additionalProperties } = schema
  if (additionalProperties === true) return { 'x-kubernetes-preserve-unknown-fields': true }
  return additionalProperties === false ? undefined : additionalProperties
}

/** Everything in which the value breaks the schema. */
export function validateSchema(schema: Schema, value: unknown, path = ''): Cause[] {
  if (value === null && schema.nullable) return []
  const wrongType = typeProblem(schema, value, path)
  if (wrongType !== undefined) return [wrongType]
  return [
    ...enumProblems(schema, value, path),
    ...boundProblems(schema, value, path),
    ...(Array.isArray(value) ? itemProblems(schema, value, path) : []),
    ...(isRecord(value) ? fieldProblems(schema, value, path) : []),
  ]
}

function typeProblem(schema: Schema, value: unknown, path: string): Cause | undefined {
  const found = typeOf(value)
  if (schema['x-kubernetes-int-or-string'] && schema.type === undefined) {
    return found === 'integer' || found === 'string' ? undefined : mistyped(path, found, 'integer,string')
  }
  if (schema.type === undefined || schema.type === found) return undefined
  if (schema.type === 'number' && found === 'integer') return undefined
  return mistyped(path, found, schema.type)
}

const mistyped = (path: string, found: string, expected: string): Cause => ({
  reason: 'FieldValueTypeInvalid',
  field: path,
  message: `Invalid value: "${found}": ${path} in body must be of type ${expected}: "${found}"`,
})

function typeOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (Number.isInteger(value)) return 'integer'
  return typeof value
}

function enumProblems(schema: Schema, value: unknown, path: string): Cause[] {
  if (schema.enum === undefined || schema.enum.some((allowed) => isDeepStrictEqual(allowed, value))) return []
  return [unsupportedValue(path, value, schema.enum)]
}

function boundProblems(schema: Schema, value: unknown, path: string): Cause[] {
  const { minimum, maximum, minLength, maxLength, pattern } = schema
  const problems: Cause[] = []
  const refuse = (rule: string) => problems.push(invalidValue(path, value, `${path} in body ${rule}`))
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
  return problems
}

function itemProblems(schema: Schema, list: readonly unknown[], path: string): Cause[] {
  const seen = new Set<string>()
  return list.flatMap((item, index) => {
    const at = `${path}[${index}]`
    const problems = schema.items === undefined ? [] : validateSchema(schema.items, item, at)
    const identity = identityOf(schema, item)
    if (identity === undefined) return problems
    if (seen.has(identity)) {
      problems.push({ reason: 'FieldValueInvalid', field: at, message: `Duplicate value: ${identity}` })
    }
    seen.add(identity)
    return problems
  })
}

/** What must differ between the items of a list, if anything. */
function identityOf(schema: Schema, item: unknown): string | undefined {
  const { 'x-kubernetes-list-type': type, 'x-kubernetes-list-map-keys': keys = [] } = schema
  if (type === 'map' && isRecord(item)) return JSON.stringify(Object.fromEntries(keys.map((key) => [key, item[key]])))
  return type === 'set' ? JSON.stringify(item) : undefined
}

function fieldProblems(schema: Schema, object: Record<string, unknown>, path: string): Cause[] {
  const embedded = schema['x-kubernetes-embedded-resource'] ? ['apiVersion', 'kind'] : []
  const missing = [...(schema.required ?? []), ...embedded].filter((field) => object[field] === undefined)
  return [
    ...missing.map((field) => required(join(path, field))),
    ...Object.entries(object).flatMap(([field, child]) => {
      const known = childSchema(schema, field)
      return known === undefined ? [] : validateSchema(known, child, join(path, field))
    }),
  ]
}

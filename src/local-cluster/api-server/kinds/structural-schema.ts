import type { Cause } from '../api-error.ts'
import { isRecord } from '../api-object.ts'

/** The part of OpenAPI v3 that structural schemas use. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema */
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
  format?: string
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  minProperties?: number
  maxProperties?: number
  allOf?: Schema[]
  anyOf?: Schema[]
  oneOf?: Schema[]
  not?: Schema
  'x-kubernetes-preserve-unknown-fields'?: boolean
  'x-kubernetes-int-or-string'?: boolean
  'x-kubernetes-embedded-resource'?: boolean
  'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map'
  'x-kubernetes-list-map-keys'?: string[]
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
    const known = childSchema(schema, field) ?? (schema['x-kubernetes-embedded-resource'] ? embedded(field) : undefined)
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

function childSchema(schema: Schema, field: string): Schema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, field)) return schema.properties[field]
  const { additionalProperties } = schema
  if (additionalProperties === true) return { 'x-kubernetes-preserve-unknown-fields': true }
  return additionalProperties === false ? undefined : additionalProperties
}

const embedded = (field: string): Schema | undefined =>
  ['apiVersion', 'kind', 'metadata'].includes(field) ? { 'x-kubernetes-preserve-unknown-fields': true } : undefined

/** Everything in which the value breaks the schema. */
export function validateSchema(schema: Schema, value: unknown, path = ''): Cause[] {
  if (value === null && schema.nullable) return []
  const wrongType = typeProblem(schema, value, path)
  if (wrongType !== undefined) return [wrongType]
  return [
    ...enumProblems(schema, value, path),
    ...combinatorProblems(schema, value, path),
    ...boundProblems(schema, value, path),
    ...textProblems(schema, value, path),
    ...(Array.isArray(value) ? itemProblems(schema, value, path) : []),
    ...(isRecord(value) ? fieldProblems(schema, value, path) : []),
  ]
}

const show = (value: unknown) => JSON.stringify(value)

function invalidValue(path: string, value: unknown, rule: string): Cause {
  return {
    reason: 'FieldValueInvalid',
    field: path,
    message: `Invalid value: ${show(value)}: ${path} in body ${rule}`,
  }
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
  if (schema.enum === undefined || schema.enum.some((allowed) => show(allowed) === show(value))) return []
  const supported = schema.enum.map(show).join(', ')
  const message = `Unsupported value: ${show(value)}: supported values: ${supported}`
  return [{ reason: 'FieldValueNotSupported', field: path, message }]
}

function combinatorProblems({ allOf = [], anyOf, oneOf, not }: Schema, value: unknown, path: string): Cause[] {
  const fits = (branch: Schema) => validateSchema(branch, value, path).length === 0
  const problems = allOf.flatMap((branch) => validateSchema(branch, value, path))
  const refuse = (rule: string) => problems.push(invalidValue(path, value, rule))
  if (anyOf !== undefined && !anyOf.some(fits)) refuse('must validate at least one schema (anyOf)')
  if (oneOf !== undefined && oneOf.filter(fits).length !== 1) refuse('must validate one and only one schema (oneOf)')
  if (not !== undefined && fits(not)) refuse('must not validate the schema (not)')
  return problems
}

/** One keyword that bounds a number, a length or a count. */
interface Bound {
  keyword:
    | 'minimum'
    | 'maximum'
    | 'minLength'
    | 'maxLength'
    | 'minItems'
    | 'maxItems'
    | 'minProperties'
    | 'maxProperties'
  /** What is compared; undefined for values that the keyword does not concern. */
  measure(value: unknown): number | undefined
  rule(limit: number): string
}

const numberOf = (value: unknown) => (typeof value === 'number' ? value : undefined)
const lengthOf = (value: unknown) => (typeof value === 'string' ? [...value].length : undefined)
const itemsOf = (value: unknown) => (Array.isArray(value) ? value.length : undefined)
const sizeOf = (value: unknown) => (isRecord(value) ? Object.keys(value).length : undefined)

const bounds: readonly Bound[] = [
  { keyword: 'minimum', measure: numberOf, rule: (limit) => `should be greater than or equal to ${limit}` },
  { keyword: 'maximum', measure: numberOf, rule: (limit) => `should be less than or equal to ${limit}` },
  { keyword: 'minLength', measure: lengthOf, rule: (limit) => `should be at least ${limit} chars long` },
  { keyword: 'maxLength', measure: lengthOf, rule: (limit) => `should be at most ${limit} chars long` },
  { keyword: 'minItems', measure: itemsOf, rule: (limit) => `should have at least ${limit} items` },
  { keyword: 'maxItems', measure: itemsOf, rule: (limit) => `should have at most ${limit} items` },
  { keyword: 'minProperties', measure: sizeOf, rule: (limit) => `should have at least ${limit} properties` },
  { keyword: 'maxProperties', measure: sizeOf, rule: (limit) => `should have at most ${limit} properties` },
]

function boundProblems(schema: Schema, value: unknown, path: string): Cause[] {
  return bounds.flatMap(({ keyword, measure, rule }) => {
    const limit = schema[keyword]
    const found = measure(value)
    if (limit === undefined || found === undefined) return []
    const fits = keyword.startsWith('min') ? found >= limit : found <= limit
    return fits ? [] : [invalidValue(path, value, rule(limit))]
  })
}

function textProblems({ pattern, format }: Schema, value: unknown, path: string): Cause[] {
  if (typeof value !== 'string') return []
  if (pattern !== undefined && !new RegExp(pattern, 'u').test(value)) {
    return [invalidValue(path, value, `should match '${pattern}'`)]
  }
  const wrongTime = format === 'date-time' && Number.isNaN(Date.parse(value))
  return wrongTime ? [invalidValue(path, value, 'must be of type date-time')] : []
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
  if (schema['x-kubernetes-list-type'] === 'map' && isRecord(item)) {
    return show(Object.fromEntries((schema['x-kubernetes-list-map-keys'] ?? []).map((key) => [key, item[key]])))
  }
  return schema['x-kubernetes-list-type'] === 'set' ? show(item) : undefined
}

function fieldProblems(schema: Schema, object: Record<string, unknown>, path: string): Cause[] {
  const missing = (schema.required ?? []).filter((field) => object[field] === undefined)
  return [
    ...missing.map(
      (field): Cause => ({ reason: 'FieldValueRequired', field: join(path, field), message: 'Required value' }),
    ),
    ...Object.entries(object).flatMap(([field, child]) => {
      const known = childSchema(schema, field)
      return known === undefined ? [] : validateSchema(known, child, join(path, field))
    }),
  ]
}

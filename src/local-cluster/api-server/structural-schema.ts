import type { Cause } from './api-error.ts'
import { isRecord } from './api-object.ts'

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
  exclusiveMinimum?: boolean
  exclusiveMaximum?: boolean
  minLength?: number
  maxLength?: number
  minItems?: number
  maxItems?: number
  uniqueItems?: boolean
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
  const problems: Cause[] = [...enumProblems(schema, value, path), ...combinatorProblems(schema, value, path)]
  if (typeof value === 'string') problems.push(...stringProblems(schema, value, path))
  if (typeof value === 'number') problems.push(...numberProblems(schema, value, path))
  if (Array.isArray(value)) problems.push(...arrayProblems(schema, value, path))
  if (isRecord(value)) problems.push(...objectProblems(schema, value, path))
  return problems
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

function combinatorProblems(schema: Schema, value: unknown, path: string): Cause[] {
  const fits = (branch: Schema) => validateSchema(branch, value, path).length === 0
  const problems = (schema.allOf ?? []).flatMap((branch) => validateSchema(branch, value, path))
  if (schema.anyOf !== undefined && !schema.anyOf.some(fits)) {
    problems.push(invalidValue(path, value, 'must validate at least one schema (anyOf)'))
  }
  if (schema.oneOf !== undefined && schema.oneOf.filter(fits).length !== 1) {
    problems.push(invalidValue(path, value, 'must validate one and only one schema (oneOf)'))
  }
  if (schema.not !== undefined && fits(schema.not)) {
    problems.push(invalidValue(path, value, 'must not validate the schema (not)'))
  }
  return problems
}

function stringProblems(schema: Schema, value: string, path: string): Cause[] {
  const length = [...value].length
  const problems: Cause[] = []
  if (length < (schema.minLength ?? 0)) {
    problems.push(invalidValue(path, value, `should be at least ${schema.minLength} chars long`))
  }
  if (length > (schema.maxLength ?? Number.POSITIVE_INFINITY)) {
    problems.push(invalidValue(path, value, `should be at most ${schema.maxLength} chars long`))
  }
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, 'u').test(value)) {
    problems.push(invalidValue(path, value, `should match '${schema.pattern}'`))
  }
  if (schema.format === 'date-time' && Number.isNaN(Date.parse(value))) {
    problems.push(invalidValue(path, value, 'must be of type date-time'))
  }
  return problems
}

function numberProblems(schema: Schema, value: number, path: string): Cause[] {
  const { minimum = Number.NEGATIVE_INFINITY, maximum = Number.POSITIVE_INFINITY } = schema
  const problems: Cause[] = []
  if (value < minimum || (value === minimum && schema.exclusiveMinimum)) {
    problems.push(
      invalidValue(path, value, `should be greater than ${schema.exclusiveMinimum ? '' : 'or equal to '}${minimum}`),
    )
  }
  if (value > maximum || (value === maximum && schema.exclusiveMaximum)) {
    problems.push(
      invalidValue(path, value, `should be less than ${schema.exclusiveMaximum ? '' : 'or equal to '}${maximum}`),
    )
  }
  return problems
}

function arrayProblems(schema: Schema, value: readonly unknown[], path: string): Cause[] {
  const problems: Cause[] = []
  if (value.length < (schema.minItems ?? 0)) {
    problems.push(invalidValue(path, value.length, `should have at least ${schema.minItems} items`))
  }
  if (value.length > (schema.maxItems ?? Number.POSITIVE_INFINITY)) {
    problems.push(invalidValue(path, value.length, `should have at most ${schema.maxItems} items`))
  }
  const seen = new Set<string>()
  for (const [index, item] of value.entries()) {
    if (schema.items !== undefined) problems.push(...validateSchema(schema.items, item, `${path}[${index}]`))
    const identity = identityOf(schema, item)
    if (identity !== undefined && seen.has(identity)) {
      problems.push({
        reason: 'FieldValueInvalid',
        field: `${path}[${index}]`,
        message: `Duplicate value: ${identity}`,
      })
    }
    if (identity !== undefined) seen.add(identity)
  }
  return problems
}

/** What must differ between the items of a list, if anything. */
function identityOf(schema: Schema, item: unknown): string | undefined {
  if (schema['x-kubernetes-list-type'] === 'map' && isRecord(item)) {
    return show(Object.fromEntries((schema['x-kubernetes-list-map-keys'] ?? []).map((key) => [key, item[key]])))
  }
  return schema['x-kubernetes-list-type'] === 'set' || schema.uniqueItems ? show(item) : undefined
}

function objectProblems(schema: Schema, value: Record<string, unknown>, path: string): Cause[] {
  const problems: Cause[] = []
  for (const field of schema.required ?? []) {
    if (value[field] === undefined) {
      problems.push({ reason: 'FieldValueRequired', field: join(path, field), message: 'Required value' })
    }
  }
  const size = Object.keys(value).length
  if (size < (schema.minProperties ?? 0)) {
    problems.push(invalidValue(path, size, `should have at least ${schema.minProperties} properties`))
  }
  if (size > (schema.maxProperties ?? Number.POSITIVE_INFINITY)) {
    problems.push(invalidValue(path, size, `should have at most ${schema.maxProperties} properties`))
  }
  for (const [field, child] of Object.entries(value)) {
    const known = childSchema(schema, field)
    if (known !== undefined) problems.push(...validateSchema(known, child, join(path, field)))
  }
  return problems
}

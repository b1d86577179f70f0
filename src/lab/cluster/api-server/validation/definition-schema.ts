import { errorMessage } from '#lib'
import { Causes } from '../api-error.ts'
import { compileRule } from '../expressions.ts'
import { type Schema, validateSchema } from '../kinds/structural-schema.ts'

const types = ['array', 'boolean', 'integer', 'number', 'object', 'string']
const listTypes = ['atomic', 'set', 'map']

/** What the schema of a definition must be: structural. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#specifying-a-structural-schema */
export function validateDefinitionSchema(causes: Causes, schema: Schema, field: string): void {
  if (schema.type === undefined) causes.required(`${field}.type`, 'must not be empty at the root')
  else if (schema.type !== 'object') causes.invalid(`${field}.type`, schema.type, 'must be object at the root')
  validateKeywords(causes, schema, field)
  validateChildren(causes, schema, field)
}

function validateChildren(causes: Causes, schema: Schema, field: string): void {
  const { properties = {}, additionalProperties, items } = schema
  for (const [name, child] of Object.entries(properties)) {
    validateChild(causes, child, `${field}.properties[${name}]`, 'must not be empty for specified object fields')
  }
  if (typeof additionalProperties === 'object') {
    validateChild(
      causes,
      additionalProperties,
      `${field}.additionalProperties`,
      'must not be empty for specified object fields',
    )
  }
  if (items !== undefined) {
    validateChild(causes, items, `${field}.items`, 'must not be empty for specified array items')
  }
}

function validateChild(causes: Causes, schema: Schema, field: string, whyType: string): void {
  const { type, 'x-kubernetes-int-or-string': either, 'x-kubernetes-preserve-unknown-fields': free } = schema
  if (type === undefined && !either && !free && !Object.hasOwn(schema, '$ref'))
    causes.required(`${field}.type`, whyType)
  else if (type !== undefined && !types.includes(type)) causes.unsupported(`${field}.type`, type, types)
  validateKeywords(causes, schema, field)
  validateChildren(causes, schema, field)
}

function validateKeywords(causes: Causes, schema: Schema, field: string): void {
  const { type, properties, additionalProperties, items, pattern } = schema
  if (type === 'array' && items === undefined) causes.required(`${field}.items`, 'must be specified')
  if (properties !== undefined && additionalProperties !== undefined && additionalProperties !== false) {
    causes.forbidden(`${field}.additionalProperties`, 'additionalProperties and properties are mutual exclusive')
  }
  if (schema['x-kubernetes-preserve-unknown-fields'] === false) {
    causes.invalid(`${field}.x-kubernetes-preserve-unknown-fields`, false, 'must be true or undefined')
  }
  if (Object.hasOwn(schema, '$ref')) causes.forbidden(`${field}.$ref`, '$ref is not supported')
  if ((schema as { uniqueItems?: unknown }).uniqueItems === true) {
    const why = 'uniqueItems cannot be set to true since the runtime complexity becomes quadratic'
    causes.forbidden(`${field}.uniqueItems`, why)
  }
  if (pattern !== undefined) validatePattern(causes, pattern, `${field}.pattern`)
  validateListType(causes, schema, field)
  validateSchemaRules(causes, schema, `${field}.x-kubernetes-validations`)
  if (schema.default !== undefined) validateDefault(causes, schema, `${field}.default`)
}

function validatePattern(causes: Causes, pattern: string, field: string): void {
  try {
    new RegExp(pattern, 'u')
  } catch (error) {
    causes.invalid(field, pattern, `must be a valid regular expression, but isn't: ${errorMessage(error)}`)
  }
}

function validateSchemaRules(causes: Causes, schema: Schema, field: string): void {
  for (const [index, { rule, messageExpression }] of (schema['x-kubernetes-validations'] ?? []).entries()) {
    if (rule.trim() === '') causes.required(`${field}[${index}].rule`, 'rule is not specified')
    else checkCompiles(causes, rule, `${field}[${index}].rule`)
    if (messageExpression !== undefined)
      checkCompiles(causes, messageExpression, `${field}[${index}].messageExpression`)
  }
}

function checkCompiles(causes: Causes, expression: string, field: string): void {
  try {
    compileRule(expression)
  } catch (error) {
    causes.invalid(field, expression, `compilation failed: ${errorMessage(error)}`)
  }
}

function validateListType(causes: Causes, schema: Schema, field: string): void {
  const { 'x-kubernetes-list-type': type, 'x-kubernetes-list-map-keys': keys = [] } = schema
  if (type === undefined) return
  if (!listTypes.includes(type)) causes.unsupported(`${field}.x-kubernetes-list-type`, type, listTypes)
  if (type === 'map' && keys.length === 0) {
    causes.required(`${field}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map')
  }
}

/** A default has to be valid itself. Kubernetes' text for it lacks the field. */
function validateDefault(causes: Causes, schema: Schema, field: string): void {
  const found = new Causes()
  validateSchema(found, schema, schema.default)
  for (const cause of found.list) {
    const below = cause.field === '' || cause.field.startsWith('[') ? cause.field : `.${cause.field}`
    causes.list.push({ ...cause, field: `${field}${below}` })
  }
}

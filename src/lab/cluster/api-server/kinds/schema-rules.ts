import { errorMessage } from '#lib'
import type { Causes } from '../api-error.ts'
import { isRecord } from '../api-object.ts'
import { celValue, compileRule, type Expression } from '../expressions.ts'
import { childSchema, identityOf, type Schema, type SchemaRule, typeOf } from './structural-schema.ts'

/**
 * Adds every rule in CEL that the value breaks. A rule that uses `oldSelf` counts only where there was a value before.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation-rules
 */
export function validateRules(causes: Causes, schema: Schema, value: unknown, previous: unknown, path = ''): void {
  if (value === null || value === undefined) return
  for (const rule of schema['x-kubernetes-validations'] ?? []) checkRule(causes, rule, { value, previous, path })
  if (Array.isArray(value)) {
    const { items } = schema
    if (items === undefined) return
    for (const [index, item] of value.entries()) {
      validateRules(causes, items, item, sameItem(schema, item, previous), `${path}[${index}]`)
    }
  } else if (isRecord(value)) {
    for (const [field, child] of Object.entries(value)) {
      const childOf = childSchema(schema, field)
      const before = isRecord(previous) ? previous[field] : undefined
      if (childOf !== undefined) validateRules(causes, childOf, child, before, path === '' ? field : `${path}.${field}`)
    }
  }
}

/** Items of a map are the same when their keys are; those of other lists have no past. */
function sameItem(schema: Schema, item: unknown, previous: unknown): unknown {
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(previous)) return undefined
  const key = JSON.stringify(identityOf(schema, item))
  return previous.find((each) => JSON.stringify(identityOf(schema, each)) === key)
}

interface Compiled {
  run: Expression
  isTransition: boolean
}

/** By the rule in a stored definition, which another one replaces when the definition changes. */
const compiledRules = new WeakMap<SchemaRule, Compiled>()

function checkRule(
  causes: Causes,
  rule: SchemaRule,
  { value, previous, path }: { value: unknown; previous: unknown; path: string },
): void {
  const { run, isTransition } = compiledOf(rule)
  if (isTransition && previous === undefined) return
  const field = `${path}${rule.fieldPath ?? ''}`
  const variables = { self: celValue(value), oldSelf: celValue(previous) }
  try {
    if (run(variables) !== true) causes.invalid(field, typeOf(value), messageOf(rule, variables))
  } catch (error) {
    causes.invalid(field, typeOf(value), `rule: ${rule.rule}: ${errorMessage(error)}`)
  }
}

function compiledOf(rule: SchemaRule): Compiled {
  const compiled = compiledRules.get(rule) ?? {
    run: compileRule(rule.rule),
    isTransition: /\boldSelf\b/.test(rule.rule),
  }
  compiledRules.set(rule, compiled)
  return compiled
}

function messageOf({ rule, message, messageExpression }: SchemaRule, variables: Record<string, unknown>): string {
  if (messageExpression !== undefined) {
    try {
      return String(compileRule(messageExpression)(variables))
    } catch {
      // The fixed message counts.
    }
  }
  return message ?? `failed rule: ${rule}`
}

import { errorMessage } from '#lib'
import { valueAt } from '#lib/formats'
import { ApiError, forbidden } from '../api-error.ts'
import { type ApiObject, recordsAt, textAt, textsAt } from '../api-object.ts'
import { celValue, compilePolicyExpression, type Expression } from '../expressions.ts'
import type { Catalog } from '../kinds/catalog.ts'
import { keyOf } from '../kinds/resource-row.ts'
import { selectorMatches } from '../objects/selectors.ts'
import type { ResourceKey, Store } from '../objects/store.ts'
import type { AdmissionRequest, Written } from './admission-request.ts'
import { objectsOf, requestAttributes } from './request-attributes.ts'
import { type Match, matches } from './resource-rules.ts'

const policiesKey: ResourceKey = 'validatingadmissionpolicies.admissionregistration.k8s.io'
const bindingsKey: ResourceKey = 'validatingadmissionpolicybindings.admissionregistration.k8s.io'

interface Surroundings {
  store: Store
  catalog: Catalog
}

/** A validation that did not hold, or could not be evaluated. */
interface Violation {
  message: string
  reason: string
}

/**
 * Evaluates every ValidatingAdmissionPolicy whose binding concerns the write. Throws ApiError in a real API server's words for
 * the first violation of a binding with the action Deny; violations of one with Warn become warnings.
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 */
export function checkPolicies(around: Surroundings, request: AdmissionRequest, written: Written): void {
  const { store } = around
  // A policy that refused its own correction could not be repaired.
  if ([policiesKey, bindingsKey].includes(keyOf(request.row))) return
  for (const binding of store.list(bindingsKey)) {
    const policy = store.get(policiesKey, undefined, textAt(binding, 'spec', 'policyName'))
    if (policy === undefined || !concerns(store, policy, binding, request, written)) continue
    for (const { message, reason } of violations(around, policy, binding, request, written)) {
      const where = `ValidatingAdmissionPolicy '${policy.metadata.name}' with binding '${binding.metadata.name}'`
      const actions = textsAt(binding, 'spec', 'validationActions')
      if (actions.includes('Deny')) throw denial(request, written, reason, `${where} denied request: ${message}`)
      if (actions.includes('Warn')) request.warn(`Validation failed for ${where}: ${message}`)
    }
  }
}

function concerns(store: Store, policy: ApiObject, binding: ApiObject, request: AdmissionRequest, written: Written) {
  if (!matches(store, matchOf(valueAt(policy, 'spec', 'matchConstraints')), request, written)) return false
  const narrower = valueAt(binding, 'spec', 'matchResources')
  if (narrower === undefined) return true
  const { rules, ...match } = matchOf(narrower)
  return matches(store, { ...match, rules: rules.length > 0 ? rules : [anything] }, request, written)
}

const anything = { operations: ['*'], apiGroups: ['*'], apiVersions: ['*'], resources: ['*/*'] }

function matchOf(constraints: unknown): Match {
  return {
    rules: recordsAt(constraints, 'resourceRules'),
    excluded: recordsAt(constraints, 'excludeResourceRules'),
    objectSelector: valueAt(constraints, 'objectSelector'),
    namespaceSelector: valueAt(constraints, 'namespaceSelector'),
  }
}

function violations(
  around: Surroundings,
  policy: ApiObject,
  binding: ApiObject,
  request: AdmissionRequest,
  written: Written,
): Violation[] {
  const ignoresErrors = textAt(policy, 'spec', 'failurePolicy') === 'Ignore'
  try {
    const compiled = compiledOf(policy)
    return paramsOf(around, policy, binding, request).flatMap((params) => {
      const variables = variablesOf(around, compiled, { request, written, params })
      if (!compiled.conditions.every((condition) => evaluate(condition, variables) === true)) return []
      return compiled.validations.flatMap((validation) => violationOf(validation, variables, ignoresErrors))
    })
  } catch (error) {
    return ignoresErrors ? [] : [{ message: errorMessage(error), reason: 'Invalid' }]
  }
}

interface Compiled {
  conditions: readonly Named[]
  variables: readonly (Named & { name: string })[]
  validations: readonly Validation[]
}

interface Named {
  text: string
  run: Expression
}

interface Validation extends Named {
  message: string
  messageExpression: Named | undefined
  reason: string
}

/** By the names of `expressions.ts`. */
type Variables = Record<string, unknown>

/** By the stored object, which another one replaces when the policy changes. */
const compiledPolicies = new WeakMap<ApiObject, Compiled>()

function compiledOf(policy: ApiObject): Compiled {
  const known = compiledPolicies.get(policy)
  if (known !== undefined) return known
  const spec = policy.spec
  const compiled: Compiled = {
    conditions: recordsAt(spec, 'matchConditions').map((each) => compile(textAt(each, 'expression'))),
    variables: recordsAt(spec, 'variables').map((each) => ({
      name: textAt(each, 'name'),
      ...compile(textAt(each, 'expression')),
    })),
    validations: recordsAt(spec, 'validations').map((each) => ({
      ...compile(textAt(each, 'expression')),
      message: textAt(each, 'message'),
      messageExpression:
        textAt(each, 'messageExpression') === '' ? undefined : compile(textAt(each, 'messageExpression')),
      reason: textAt(each, 'reason') || 'Invalid',
    })),
  }
  compiledPolicies.set(policy, compiled)
  return compiled
}

function compile(text: string): Named {
  return { text, run: compilePolicyExpression(text) }
}

function evaluate({ text, run }: Named, variables: Variables): unknown {
  try {
    return run(variables)
  } catch (error) {
    throw new Error(`expression '${text}' resulted in error: ${errorMessage(error)}`, { cause: error })
  }
}

function violationOf(validation: Validation, variables: Variables, ignoresErrors: boolean): Violation[] {
  const { text, message, messageExpression, reason } = validation
  try {
    if (evaluate(validation, variables) === true) return []
  } catch (error) {
    return ignoresErrors ? [] : [{ message: errorMessage(error), reason }]
  }
  return [
    {
      message: messageOf(messageExpression, variables) || message.trim() || `failed expression: ${text.trim()}`,
      reason,
    },
  ]
}

/** Empty when there is no such expression, or it fails: then the fixed message counts. */
function messageOf(expression: Named | undefined, variables: Variables): string {
  if (expression === undefined) return ''
  try {
    return String(evaluate(expression, variables)).trim()
  } catch {
    return ''
  }
}

function variablesOf(
  { store }: Surroundings,
  { variables: declared }: Compiled,
  { request, written, params }: { request: AdmissionRequest; written: Written; params: unknown },
): Variables {
  const { object, oldObject } = objectsOf(request, written)
  const { namespace } = request
  const variables = {}
  const all: Variables = {
    object: celValue(object),
    oldObject: celValue(oldObject),
    request: celValue(requestAttributes(request, written)),
    params: celValue(params),
    namespaceObject: celValue(namespace === undefined ? null : store.get('namespaces', undefined, namespace)),
    variables,
  }
  for (const { name, ...expression } of declared) defineLazily(variables, name, () => evaluate(expression, all))
  return all
}

function defineLazily(object: object, name: string, compute: () => unknown): void {
  const get = () => {
    const value = compute()
    Object.defineProperty(object, name, { enumerable: true, value })
    return value
  }
  Object.defineProperty(object, name, { enumerable: true, configurable: true, get })
}

/** The objects that the binding's `paramRef` names; one null for a policy without parameters. Throws when there must be some and there are none. */
function paramsOf(
  { store, catalog }: Surroundings,
  policy: ApiObject,
  binding: ApiObject,
  request: AdmissionRequest,
): unknown[] {
  const kind = valueAt(policy, 'spec', 'paramKind')
  if (kind === undefined) return [null]
  const reference = valueAt(binding, 'spec', 'paramRef')
  const [apiVersion, kindName] = [textAt(kind, 'apiVersion'), textAt(kind, 'kind')]
  const row = catalog
    .rows()
    .find(
      (each) =>
        each.kind === kindName &&
        apiVersion === (each.group === '' ? each.versions[0] : `${each.group}/${each.versions[0]}`),
    )
  if (row === undefined)
    throw new Error(`failed to find resource referenced by paramKind: '${apiVersion}, Kind=${kindName}'`)
  const namespace = row.namespaced ? textAt(reference, 'namespace') || request.namespace : undefined
  const name = textAt(reference, 'name')
  const selector = valueAt(reference, 'selector')
  const found = store
    .list(keyOf(row), namespace)
    .filter(({ metadata }) => (name === '' ? selectorMatches(selector, metadata.labels ?? {}) : metadata.name === name))
  if (found.length > 0) return found
  if (textAt(reference, 'parameterNotFoundAction') === 'Allow') return []
  throw new Error('no params found for policy binding with `Deny` parameterNotFoundAction')
}

const codes: Record<string, number> = { Unauthorized: 401, Forbidden: 403, Invalid: 422, RequestEntityTooLarge: 413 }

function denial({ row }: AdmissionRequest, { object, oldObject }: Written, reason: string, message: string): ApiError {
  const { message: text, details } = forbidden(row, (object ?? oldObject)?.metadata.name ?? '', message)
  return new ApiError(codes[reason] ?? 422, reason, text, { ...details, causes: [{ message }] })
}

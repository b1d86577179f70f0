import { errorMessage } from '#lib'
import { stringOf } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, setDefaults, textAt, textsAt } from '../api-object.ts'
import { compilePolicyExpression } from '../expressions.ts'
import { specOf } from '../kinds/define-kind.ts'
import { fields, labelSelector, list } from '../kinds/fields.ts'
import type { Schema } from '../kinds/structural-schema.ts'

const rules = list(
  fields(
    'NamedRuleWithOperations',
    'apiGroups:[]string apiVersions:[]string operations:[]v1.OperationType resourceNames:[]string resources:[]string scope',
  ),
)
const matchResources = fields('MatchResources', 'matchPolicy', {
  excludeResourceRules: rules,
  namespaceSelector: labelSelector,
  objectSelector: labelSelector,
  resourceRules: rules,
})
const named = (struct: string) => list(fields(struct, 'name expression'))

export const policySpecFields: Schema = fields('ValidatingAdmissionPolicySpec', 'failurePolicy', {
  auditAnnotations: list(fields('AuditAnnotation', 'key valueExpression')),
  matchConditions: named('MatchCondition'),
  matchConstraints: matchResources,
  paramKind: fields('ParamKind', 'apiVersion kind'),
  validations: list(fields('Validation', 'expression message messageExpression reason')),
  variables: named('Variable'),
})

export const bindingSpecFields: Schema = fields(
  'ValidatingAdmissionPolicyBindingSpec',
  'policyName validationActions:[]v1.ValidationAction',
  {
    matchResources,
    paramRef: fields('ParamRef', 'name namespace parameterNotFoundAction', { selector: labelSelector }),
  },
)

/** Defaults of the API server. https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/validating-admission-policy-v1/ */
export function preparePolicy(policy: ApiObject): void {
  const spec = specOf(policy)
  setDefaults(spec, { failurePolicy: 'Fail', matchConstraints: {} })
  prepareMatch(spec.matchConstraints)
}

export function prepareBinding(binding: ApiObject): void {
  prepareMatch(specOf(binding).matchResources)
}

function prepareMatch(match: unknown): void {
  if (!isRecord(match)) return
  setDefaults(match, { matchPolicy: 'Equivalent', namespaceSelector: {}, objectSelector: {} })
  for (const rule of [...recordsAt(match, 'resourceRules'), ...recordsAt(match, 'excludeResourceRules')]) {
    setDefaults(rule, { scope: '*' })
  }
}

const reasons = ['Unauthorized', 'Forbidden', 'Invalid', 'RequestEntityTooLarge']
const actions = ['Deny', 'Warn', 'Audit']

/** Every expression is compiled, so that what the local cluster cannot evaluate is refused here and not ignored later. */
export function validatePolicy(causes: Causes, { spec }: ApiObject): void {
  const validations = recordsAt(spec, 'validations')
  if (validations.length + recordsAt(spec, 'auditAnnotations').length === 0) {
    causes.required('spec.validations', 'validations or auditAnnotations must contain at least one item')
  }
  validateRules(causes, 'spec.matchConstraints', recordsAt(spec, 'matchConstraints', 'resourceRules'), true)
  checkOneOf(causes, 'spec.failurePolicy', textAt(spec, 'failurePolicy'), ['Fail', 'Ignore'])
  for (const field of ['matchConditions', 'variables']) {
    for (const [index, { name, expression }] of recordsAt(spec, field).entries()) {
      if (!name) causes.required(`spec.${field}[${index}].name`)
      checkExpression(causes, `spec.${field}[${index}].expression`, expression)
    }
  }
  for (const [index, { expression, messageExpression, reason }] of validations.entries()) {
    const path = `spec.validations[${index}]`
    checkExpression(causes, `${path}.expression`, expression)
    if (messageExpression) checkExpression(causes, `${path}.messageExpression`, messageExpression)
    if (reason !== undefined) checkOneOf(causes, `${path}.reason`, reason, reasons)
  }
}

export function validateBinding(causes: Causes, { spec }: ApiObject): void {
  if (textAt(spec, 'policyName') === '') causes.required('spec.policyName')
  const chosen = textsAt(spec, 'validationActions')
  if (chosen.length === 0) causes.required('spec.validationActions', 'at least one validation action is required')
  for (const action of chosen) checkOneOf(causes, 'spec.validationActions', action, actions)
  if (chosen.includes('Deny') && chosen.includes('Warn')) {
    causes.invalid(
      'spec.validationActions',
      chosen,
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)',
    )
  }
  validateRules(causes, 'spec.matchResources', recordsAt(spec, 'matchResources', 'resourceRules'), false)
}

function validateRules(causes: Causes, path: string, found: Record<string, unknown>[], required: boolean): void {
  if (required && found.length === 0) causes.required(`${path}.resourceRules`)
  for (const [index, rule] of found.entries()) {
    for (const field of ['apiGroups', 'apiVersions', 'operations', 'resources']) {
      if (textsAt(rule, field).length === 0) causes.required(`${path}.resourceRules[${index}].${field}`)
    }
  }
}

function checkOneOf(causes: Causes, path: string, found: unknown, allowed: readonly string[]): void {
  if (!allowed.some((each) => each === found)) causes.unsupported(path, found, allowed)
}

function checkExpression(causes: Causes, path: string, expression: unknown): void {
  const text = stringOf(expression) ?? ''
  if (text.trim() === '') causes.required(path, 'expression is not specified')
  try {
    if (text.trim() !== '') compilePolicyExpression(text)
  } catch (error) {
    causes.invalid(path, text, `compilation failed: ${errorMessage(error)}`)
  }
}

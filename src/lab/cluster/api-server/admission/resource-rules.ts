import { mapAt, textAt, textsAt } from '../api-object.ts'
import { selectorMatches } from '../objects/selectors.ts'
import type { Store } from '../objects/store.ts'
import type { AdmissionRequest, Written } from './admission-request.ts'

/** The writes that a webhook or a policy is about. https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-rules */
export interface Match {
  rules: readonly unknown[]
  /** Exceptions of `rules`. */
  excluded?: readonly unknown[] | undefined
  objectSelector: unknown
  namespaceSelector: unknown
}

export type Subject = Pick<AdmissionRequest, 'operation' | 'row' | 'version' | 'subresource' | 'namespace'>

export function matches(store: Store, match: Match, subject: Subject, { object, oldObject }: Written): boolean {
  const { rules, excluded = [], objectSelector, namespaceSelector } = match
  const either = [object, oldObject].filter((each) => each !== undefined)
  const name = either[0]?.metadata.name ?? ''
  return (
    rules.some((rule) => ruleFits(rule, subject, name)) &&
    !excluded.some((rule) => ruleFits(rule, subject, name)) &&
    either.some(({ metadata }) => selectorMatches(objectSelector, metadata.labels ?? {})) &&
    selectorMatches(namespaceSelector, namespaceLabels(store, subject, { object, oldObject }))
  )
}

/** Of the namespace that the write is in or about. Objects outside namespaces have none, and fit selectors without requirements. */
function namespaceLabels(
  store: Store,
  { row, namespace }: Subject,
  { object, oldObject }: Written,
): Record<string, string> {
  const isNamespace = row.group === '' && row.plural === 'namespaces'
  const found = isNamespace ? (object ?? oldObject) : namespace && store.get('namespaces', undefined, namespace)
  return mapAt(found, 'metadata', 'labels')
}

function ruleFits(rule: unknown, { operation, row, version, subresource }: Subject, name: string): boolean {
  const has = (field: string, value: string) => textsAt(rule, field).some((one) => one === '*' || one === value)
  const scope = textAt(rule, 'scope')
  const names = textsAt(rule, 'resourceNames')
  return (
    has('operations', operation) &&
    has('apiGroups', row.group) &&
    has('apiVersions', version) &&
    textsAt(rule, 'resources').some((wanted) => resourceFits(wanted, row.plural, subresource)) &&
    (scope === '' || scope === '*' || (scope === 'Namespaced') === row.namespaced) &&
    (names.length === 0 || names.includes(name))
  )
}

/** `pods`; a subresource is `pods/status`, and all of them `pods/*`. */
function resourceFits(wanted: string, plural: string, subresource: string): boolean {
  const [resource = '', sub = ''] = wanted.split('/')
  return (resource === '*' || resource === plural) && (sub === '*' || sub === subresource)
}

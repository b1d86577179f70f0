import { valueAt } from '#lib/formats'
import { badRequest } from '../api-error.ts'
import { type ApiObject, mapAt } from '../api-object.ts'

export type Matcher = (object: ApiObject) => boolean

interface Requirement {
  key: string
  operator: 'in' | 'notin' | 'exists' | 'absent'
  values: readonly string[]
}

const labelKey = String.raw`(?:[A-Za-z0-9.-]+\/)?[A-Za-z0-9](?:[\w.-]*[A-Za-z0-9])?`
const setTerm = new RegExp(String.raw`^(${labelKey})\s+(in|notin)\s*\(([^()]*)\)$`)
const equalTerm = new RegExp(String.raw`^(${labelKey})\s*(==|=|!=)\s*([\w.-]*)$`)
const presenceTerm = new RegExp(String.raw`^(!?)\s*(${labelKey})$`)

/** A label selector as in a URL: `app in (a,b),tier!=cache,!old`. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/ */
export function parseLabelSelector(text: string): Matcher {
  const requirements = splitTerms(text).map((term) => parseTerm(term, text))
  return (object) => matches(requirements, object.metadata.labels ?? {})
}

/** Whether labels fit a `LabelSelector` object (`matchLabels` and `matchExpressions`); an empty one fits all. */
export function selectorMatches(selector: unknown, labels: Record<string, string>): boolean {
  const equal = Object.entries(mapAt(selector, 'matchLabels')).map(
    ([key, value]): Requirement => ({ key, operator: 'in', values: [value] }),
  )
  const operators: Record<string, Requirement['operator']> = {
    In: 'in',
    NotIn: 'notin',
    Exists: 'exists',
    DoesNotExist: 'absent',
  }
  const expressions = valueAt(selector, 'matchExpressions')
  const sets = (Array.isArray(expressions) ? expressions : []).map(
    ({ key, operator, values = [] }): Requirement => ({ key, operator: operators[operator] ?? 'absent', values }),
  )
  return matches([...equal, ...sets], labels)
}

function matches(requirements: readonly Requirement[], labels: Record<string, string>): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = Object.hasOwn(labels, key) ? labels[key] : undefined
    if (operator === 'exists') return value !== undefined
    if (operator === 'absent') return value === undefined
    if (operator === 'in') return value !== undefined && values.includes(value)
    return value === undefined || !values.includes(value)
  })
}

/** Splits at commas outside parentheses. */
function splitTerms(text: string): string[] {
  return (text.match(/(?:[^,()]|\([^()]*\)?|\))+/g) ?? []).map((term) => term.trim()).filter((term) => term !== '')
}

function parseTerm(term: string, selector: string): Requirement {
  const set = setTerm.exec(term)
  if (set !== null) {
    const values = (set[3] ?? '').split(',').map((value) => value.trim())
    return { key: set[1] ?? '', operator: set[2] === 'in' ? 'in' : 'notin', values }
  }
  const equal = equalTerm.exec(term)
  if (equal !== null) {
    return { key: equal[1] ?? '', operator: equal[2] === '!=' ? 'notin' : 'in', values: [equal[3] ?? ''] }
  }
  const presence = presenceTerm.exec(term)
  if (presence !== null) {
    return { key: presence[2] ?? '', operator: presence[1] === '!' ? 'absent' : 'exists', values: [] }
  }
  throw badRequest(`unable to parse requirement "${term}" of the label selector "${selector}"`)
}

/**
 * A field selector: `metadata.name=a,status.phase!=Running`. Only the kind's own `fields` may be asked for.
 * https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
 */
export function parseFieldSelector(text: string, fields: readonly string[]): Matcher {
  const terms = text
    .split(/(?<!\\),/)
    .filter((term) => term !== '')
    .map((term) => {
      const parsed = /^([^=!]+)(==|=|!=)(.*)$/s.exec(term)
      if (parsed === null) throw badRequest(`invalid field selector "${text}": expected name=value in "${term}"`)
      const [, field = '', operator, value = ''] = parsed
      if (!fields.includes(field)) throw badRequest(`field label not supported: ${field}`)
      return { path: field.split('.'), equal: operator !== '!=', value: value.replaceAll(/\\([\\,=])/g, '$1') }
    })
  return (object) =>
    terms.every(({ path, equal, value }) => (String(valueAt(object, ...path) ?? '') === value) === equal)
}

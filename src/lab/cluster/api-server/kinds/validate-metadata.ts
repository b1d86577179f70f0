import { badRequest, type Cause, invalidValue } from '../api-error.ts'
import { type ApiObject, isRecord } from '../api-object.ts'

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainPattern = String.raw`${labelPattern}(\.${labelPattern})*`
const valuePattern = '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'
const keyPattern = `(${subdomainPattern}/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?`

/** How a text must be written, and what Kubernetes says when it is not. */
interface Style {
  test: RegExp
  longest: number
  rule: string
}

const ends = 'and must start and end with an alphanumeric character'
const styles = {
  subdomain: {
    test: new RegExp(`^${subdomainPattern}$`),
    longest: 253,
    rule: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ${ends} (e.g. 'example.com', regex used for validation is '${subdomainPattern}')`,
  },
  label: {
    test: new RegExp(`^${labelPattern}$`),
    longest: 63,
    rule: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ${ends} (e.g. 'my-name',  or '123-abc', regex used for validation is '${labelPattern}')`,
  },
  path: { test: /^(?!\.{1,2}$)[^/%]+$/, longest: 253, rule: `may not be '.' or '..' or contain '/' or '%'` },
  key: {
    test: new RegExp(`^${keyPattern}$`),
    longest: 317,
    rule: `name part must consist of alphanumeric characters, '-', '_' or '.', ${ends} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`,
  },
  value: {
    test: new RegExp(`^${valuePattern}$`),
    longest: 63,
    rule: `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', ${ends} (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${valuePattern}')`,
  },
} as const satisfies Record<string, Style>

/** How names of a kind are written. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export type NameStyle = 'subdomain' | 'label' | 'path'

export function validateMetadata({ metadata }: ApiObject, names: NameStyle): Cause[] {
  const { name, labels = {}, annotations = {} } = metadata
  return [
    ...checkText('metadata.name', name, styles[names]),
    ...Object.keys(labels).flatMap((key) => checkText('metadata.labels', key, styles.key)),
    ...Object.values(labels).flatMap((value) => checkText('metadata.labels', value, styles.value)),
    // The keys of annotations may have capitals in their prefix.
    ...Object.keys(annotations).flatMap((key) => checkText('metadata.annotations', key.toLowerCase(), styles.key)),
  ]
}

function checkText(field: string, text: string, { test, longest, rule }: Style): Cause[] {
  const why = text.length > longest ? `must be no more than ${longest} characters` : test.test(text) ? undefined : rule
  if (why === undefined) return []
  return [invalidValue(field, text, why)]
}

/** Kubernetes decodes into typed structures: a map of texts that holds anything else is no object at all. */
export function requireTexts(object: ApiObject, path: string, map: unknown): void {
  if (map === undefined || map === null) return
  const wrongValue = isRecord(map) ? Object.values(map).find((value) => typeof value !== 'string') : map
  if (wrongValue === undefined) return
  const found = typeof wrongValue === 'boolean' ? 'bool' : typeof wrongValue
  throw undecodable(object, `json: cannot unmarshal ${found} into Go struct field ${path} of type string`)
}

/** The error for a body that is no object of its kind. */
export function undecodable({ apiVersion, kind }: ApiObject, why: string) {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1)
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`)
}

import { badRequest, type Cause } from '../api-error.ts'
import { type ApiObject, isRecord } from '../api-object.ts'

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainPattern = String.raw`${labelPattern}(\.${labelPattern})*`
const valuePattern = '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?'
const labelValue = new RegExp(`^${valuePattern}$`)
const qualifiedName = new RegExp(`^(${subdomainPattern}/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$`)

/** How names of a kind are written. */
export type NameStyle = 'subdomain' | 'label' | 'path'

const styles: Record<NameStyle, { test: RegExp; longest: number; rule: string }> = {
  subdomain: {
    test: new RegExp(`^${subdomainPattern}$`),
    longest: 253,
    rule: `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${subdomainPattern}')`,
  },
  label: {
    test: new RegExp(`^${labelPattern}$`),
    longest: 63,
    rule: `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${labelPattern}')`,
  },
  path: { test: /^(?!\.{1,2}$)[^/%]+$/, longest: 253, rule: `may not be '.' or '..' or contain '/' or '%'` },
}

const wrong = (field: string, value: string, rule: string): Cause => ({
  reason: 'FieldValueInvalid',
  field,
  message: `Invalid value: ${JSON.stringify(value)}: ${rule}`,
})

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ */
export function validateMetadata({ metadata }: ApiObject, style: NameStyle): Cause[] {
  const { test, longest, rule } = styles[style]
  const problems: Cause[] = []
  if (!test.test(metadata.name)) problems.push(wrong('metadata.name', metadata.name, rule))
  if (metadata.name.length > longest) {
    problems.push(wrong('metadata.name', metadata.name, `must be no more than ${longest} characters`))
  }
  for (const [key, value] of Object.entries(metadata.labels ?? {})) {
    if (!qualifiedName.test(key))
      problems.push(
        wrong(
          'metadata.labels',
          key,
          "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
        ),
      )
    if (value.length > 63) problems.push(wrong('metadata.labels', value, 'must be no more than 63 characters'))
    else if (!labelValue.test(value)) {
      problems.push(
        wrong(
          'metadata.labels',
          value,
          `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '${valuePattern}')`,
        ),
      )
    }
  }
  for (const key of Object.keys(metadata.annotations ?? {})) {
    if (!qualifiedName.test(key))
      problems.push(wrong('metadata.annotations', key, 'a valid annotation key is PREFIX/NAME'))
  }
  return problems
}

/** Kubernetes decodes into typed structures: a map of texts that holds anything else is no object at all. */
export function requireTexts(object: ApiObject, path: string, map: unknown): void {
  if (map === undefined || map === null) return
  const wrongValue = isRecord(map) ? Object.values(map).find((value) => typeof value !== 'string') : map
  if (wrongValue === undefined) return
  const found = typeof wrongValue === 'boolean' ? 'bool' : typeof wrongValue
  throw undecodable(object, `json: cannot unmarshal ${found} into Go struct field ${path} of type string`)
}

export function undecodable({ apiVersion, kind }: ApiObject, why: string) {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1)
  return badRequest(`${kind} in version "${version}" cannot be handled as a ${kind}: ${why}`)
}

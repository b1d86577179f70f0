import type { Causes } from '../api-error.ts'

/**
 * How Kubernetes wants names, keys and label values written. Each rule gives what is wrong with a text, in the words of
 * Kubernetes; nothing when all is well. https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
 */
export type NameRule = (text: string) => string[]

const labelPattern = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomainPattern = String.raw`${labelPattern}(\.${labelPattern})*`
const label1035Pattern = '[a-z]([-a-z0-9]*[a-z0-9])?'
const namePartPattern = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelValuePattern = `(${namePartPattern})?`
const configKeyPattern = '[-._a-zA-Z0-9]+'

/** Linear: a label has no dot, so that a text splits into labels in one way only. */
const subdomain = new RegExp(`^${subdomainPattern}$`)
const label = new RegExp(`^${labelPattern}$`)
const label1035 = new RegExp(`^${label1035Pattern}$`)
const namePart = new RegExp(`^${namePartPattern}$`)
const configKey = new RegExp(`^${configKeyPattern}$`)

const ends = 'and must start and end with an alphanumeric character'
const usedRegex = (pattern: string) => `regex used for validation is '${pattern}'`
const subdomainText = `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', ${ends} (e.g. 'example.com', ${usedRegex(subdomainPattern)})`
const labelText = `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ${ends} (e.g. 'my-name',  or '123-abc', ${usedRegex(labelPattern)})`
const label1035Text = `a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', ${usedRegex(label1035Pattern)})`
const namePartText = `must consist of alphanumeric characters, '-', '_' or '.', ${ends} (e.g. 'MyName',  or 'my.name',  or '123-abc', ${usedRegex(namePartPattern)})`
const labelValueText = `a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', ${ends} (e.g. 'MyValue',  or 'my_value',  or '12345', ${usedRegex(labelValuePattern)})`
const configKeyText = `a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', ${usedRegex(configKeyPattern)})`

const unless = (holds: boolean, text: string): string[] => (holds ? [] : [text])
const atMost = (text: string, longest: number) =>
  unless(text.length <= longest, `must be no more than ${longest} characters`)

/** An RFC 1123 subdomain: the name of most objects. */
export const subdomainName: NameRule = (text) => [...atMost(text, 253), ...unless(subdomain.test(text), subdomainText)]

/** An RFC 1123 label: the name of a namespace, a container, a volume. */
export const labelName: NameRule = (text) => [
  ...atMost(text, 63),
  ...unless(label.test(text), subdomain.test(text) ? 'must not contain dots' : labelText),
]

/** An RFC 1035 label, which begins with a letter. */
export const label1035Name: NameRule = (text) => [...atMost(text, 63), ...unless(label1035.test(text), label1035Text)]

/** A segment of a path: the name of roles and bindings. */
export const pathSegmentName: NameRule = (text) => {
  if (text === '.' || text === '..') return [`may not be '${text}'`]
  return ['/', '%'].flatMap((illegal) => unless(!text.includes(illegal), `may not contain '${illegal}'`))
}

/** A name with an optional prefix: the key of a label, an annotation, a finalizer. */
export const qualifiedName: NameRule = (text) => {
  const parts = text.split('/')
  if (parts.length > 2) {
    return [
      `a qualified name ${namePartText} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ]
  }
  const name = parts.at(-1) ?? ''
  const prefix = parts.length === 2 ? parts[0] : undefined
  const prefixFaults = prefix === '' ? ['must be non-empty'] : prefix === undefined ? [] : subdomainName(prefix)
  const length = name === '' ? ['must be non-empty'] : atMost(name, 63)
  const nameFaults = [...length, ...unless(namePart.test(name), namePartText)]
  return [...prefixFaults.map((fault) => `prefix part ${fault}`), ...nameFaults.map((fault) => `name part ${fault}`)]
}

export const labelValue: NameRule = (text) => [
  ...atMost(text, 63),
  ...unless(text === '' || namePart.test(text), labelValueText),
]

/** The key of an entry of a Secret or a ConfigMap, which becomes the name of a file. */
export const configMapKey: NameRule = (text) => [
  ...atMost(text, 253),
  ...unless(configKey.test(text), configKeyText),
  ...(text === '.' || text === '..'
    ? [`must not be '${text}'`]
    : unless(!text.startsWith('..'), "must not start with '..'")),
]

export const variableName: NameRule = (text) =>
  unless(
    /^[ -<>-~]+$/.test(text),
    "a valid environment variable name must consist only of printable ASCII characters other than '='",
  )

/** An IANA service name: the name of a port. */
export const portName: NameRule = (text) => [
  ...atMost(text, 15),
  ...unless(/^[-a-z0-9]+$/.test(text), 'must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)'),
  ...unless(/[a-z]/.test(text), 'must contain at least one letter (a-z)'),
  ...unless(!text.includes('--'), 'must not contain consecutive hyphens'),
  ...unless(!/^-|-$/.test(text), 'must not begin or end with a hyphen'),
]

/** Adds what a rule finds wrong with a text. */
export function checkName(causes: Causes, field: string, text: string, rule: NameRule): void {
  for (const fault of rule(text)) causes.invalid(field, text, fault)
}

/** The same for a text that must not be empty: an empty one is only reported as missing. */
export function requireName(causes: Causes, field: string, text: string, rule: NameRule): void {
  if (text === '') causes.required(field)
  else checkName(causes, field, text, rule)
}

import { parse, stringify } from 'yaml'
import { checkClass, type Finding, type ObjectFieldRow, type ParameterRow } from '#azure/class'

/** A class that has everything it needs, as the base of examples. */
const base = { keyvaultName: 'shop-vault', tenantID: '72f988bf-0000-0000-0000-2d7cd011db47' }
const object = { objectName: 'db-password', objectType: 'secret' }
const template = { fileName: 'app.properties', template: 'password={{ .db_password }}' }

interface Changes {
  parameters?: Record<string, string> | undefined
  object?: Record<string, unknown> | undefined
  /** Fields of an entry with `select` beside the usual one. */
  entry?: Record<string, unknown> | undefined
  /** Fields of its `select`. */
  select?: Record<string, unknown> | undefined
  /** Fields of an entry of `templates`. */
  template?: Record<string, unknown> | undefined
  secretObjects?: unknown
}

/** Fields of an entry with `select`, which has neither name nor type. */
const ofSelect: readonly string[] = ['select', 'fileName', 'stripPrefix', 'limit']

export function isOfSelect(fields: object): boolean {
  return Object.keys(fields).some((name) => ofSelect.includes(name))
}

/** A class with these changes; an empty parameter is left out. */
export function classWith({ parameters, object: fields, entry, select, template: text, secretObjects }: Changes) {
  const hasSelect = entry !== undefined || select !== undefined
  const selecting = hasSelect ? [stringify({ select: { namePattern: 'app-.*', ...select }, ...entry })] : []
  const objects = stringify({ array: [stringify({ ...object, ...fields }), ...selecting] })
  const made = text ?? (fields?.only === undefined ? undefined : {})
  const templates = made === undefined ? '' : stringify([{ ...template, ...made }])
  const all = Object.entries({ ...base, objects, templates, ...parameters }).filter(([, value]) => value !== '')
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { name: 'app', namespace: 'default' },
    spec: { provider: 'azure', parameters: Object.fromEntries(all), secretObjects },
  }
}

/** The parameters of a class in which `name` takes effect: the earlier spelling is only read without the present one. */
export function parameterWith(name: string, value: string): Record<string, string> {
  return { ...(name === 'tenantId' ? { tenantID: '' } : {}), [name]: value }
}

/** What the provider's parser finds in such a class and not in the base. */
export function findingsOf(changes: Changes): Finding[] {
  const usual = new Set(checkClass(classWith({})).map(({ message }) => message))
  return checkClass(classWith(changes)).filter(({ message }) => !usual.has(message))
}

type Type = ParameterRow['type'] | ObjectFieldRow['type']

/** The example of a field as YAML has it: a number and a boolean are not text there. */
export function fieldValue(type: Type, example: string): unknown {
  if (type === 'integer') return Number(example)
  if (type === 'select' || type === 'tags') return parse(example)
  return type === 'boolean' ? example === 'true' : example
}

/** Values that the parser refuses, by type, and by name where any text is of the type. */
const invalid: Partial<Record<Type, string>> = {
  boolean: 'maybe',
  duration: 'soon',
  objects: 'db-password',
  owner: 'root',
  name: 'App_Fallback',
  choice: 'other',
  integer: 'some',
  octal: '0999',
  paths: '$.hosts[',
  select: 'all',
  tags: 'app',
  templates: 'app.properties',
}
const invalidText: Readonly<Record<string, string>> = {
  keyvaultName: 'shop_vault',
  fallbackKeyvaultName: 'shop_vault_west',
  tenantID: 'my tenant',
  tenantId: 'my tenant',
  cloudName: 'AzureMoonCloud',
  objectName: 'db_password',
  objectAlias: '../db-password',
  vault: 'other_vault',
  path: '$[',
  fileName: '../x',
  namePattern: '(app',
  exclude: '(app)\\1',
  template: '{{ .db_password | uper }}',
}

/** A value that the parser refuses; undefined where any text is valid. */
export function invalidValue(name: string, type: Type): string | undefined {
  return invalid[type] ?? invalidText[name]
}

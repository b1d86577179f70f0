import { isDeepStrictEqual } from 'node:util'
import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, textAt, textsAt } from '../api-object.ts'
import { parseColumnPath } from '../kinds/column-path.ts'
import { type Schema, unknownKeywords } from '../kinds/structural-schema.ts'
import { validateDefinitionSchema } from './definition-schema.ts'
import { checkName, label1035Name, requireName, subdomainName } from './names.ts'

/** https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/ */
export function validateDefinition(causes: Causes, definition: ApiObject): void {
  const { name } = definition.metadata
  const group = textAt(definition, 'spec', 'group')
  if (name !== `${textAt(definition, 'spec', 'names', 'plural')}.${group}`) {
    causes.invalid('metadata.name', name, 'must be spec.names.plural+"."+spec.group')
  }
  validateGroup(causes, definition, group)
  validateNames(causes, definition)
  const scopes = ['Cluster', 'Namespaced']
  const scope = textAt(definition, 'spec', 'scope')
  if (scope === '') causes.required('spec.scope')
  else if (!scopes.includes(scope)) causes.unsupported('spec.scope', scope, scopes)
  validateVersions(causes, definition)
  validateConversion(causes, definition)
  if (valueAt(definition, 'spec', 'preserveUnknownFields') === true) {
    const why =
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead'
    causes.invalid('spec.preserveUnknownFields', true, why)
  }
}

function validateGroup(causes: Causes, { metadata }: ApiObject, group: string): void {
  requireName(causes, 'spec.group', group, subdomainName)
  if (group !== '' && !group.includes('.')) {
    causes.invalid('spec.group', group, 'should be a domain with at least one dot')
  }
  const annotation = 'api-approved.kubernetes.io'
  if (/(^|\.)(k8s|kubernetes)\.io$/.test(group) && !metadata.annotations?.[annotation]) {
    const why = `protected groups must have approval annotation "${annotation}", see https://github.com/kubernetes/enhancements/pull/1111`
    causes.required(`metadata.annotations[${annotation}]`, why)
  }
}

function validateNames(causes: Causes, definition: ApiObject): void {
  const names = valueAt(definition, 'spec', 'names')
  const kind = textAt(names, 'kind')
  const listKind = textAt(names, 'listKind')
  for (const field of ['plural', 'singular']) {
    const text = textAt(names, field)
    if (text !== '' || field === 'plural') requireName(causes, `spec.names.${field}`, text, label1035Name)
  }
  for (const [field, text] of [
    ['kind', kind],
    ['listKind', listKind],
  ] as const) {
    if (text === '') causes.required(`spec.names.${field}`)
    for (const fault of text === '' ? [] : label1035Name(text.toLowerCase())) {
      causes.invalid(`spec.names.${field}`, text, `may have mixed case, but should otherwise match: ${fault}`)
    }
  }
  if (kind !== '' && kind === listKind) {
    causes.invalid('spec.names.listKind', listKind, 'kind and listKind may not be the same')
  }
  for (const field of ['shortNames', 'categories']) {
    for (const [index, text] of textsAt(names, field).entries()) {
      checkName(causes, `spec.names.${field}[${index}]`, text, label1035Name)
    }
  }
}

function validateVersions(causes: Causes, definition: ApiObject): void {
  const versions = recordsAt(definition, 'spec', 'versions')
  const names = versions.map((version) => textAt(version, 'name'))
  const stored = versions.filter(({ storage }) => storage === true)
  if (new Set(names).size < names.length) causes.invalid('spec.versions', versions, 'must contain unique version names')
  if (stored.length !== 1) {
    causes.invalid('spec.versions', versions, 'must have exactly one version marked as storage version')
    validateStoredVersions(
      causes,
      stored.map((version) => textAt(version, 'name')),
    )
  }
  // The first version is also the field of an older form.
  if (names[0]) checkName(causes, 'spec.version', names[0], label1035Name)
  for (const [index, version] of versions.entries()) {
    const field = `spec.versions[${index}]`
    requireName(causes, `${field}.name`, textAt(version, 'name'), label1035Name)
    const schema = valueAt(version, 'schema', 'openAPIV3Schema')
    if (!isRecord(schema)) causes.required(`${field}.schema.openAPIV3Schema`)
  }
  validateShared(versions, ['schema', 'openAPIV3Schema'], 'spec.validation.openAPIV3Schema', (schema, field) => {
    const unknown = [...new Set(unknownKeywords(schema as Schema))]
    for (const name of unknown) {
      causes.forbidden(`${field}.${name}`, `the keyword ${name} is not supported by the local cluster`)
    }
    validateDefinitionSchema(causes, schema as Schema, field)
  })
  validateShared(versions, ['additionalPrinterColumns'], 'spec.additionalPrinterColumns', (columns, field) =>
    validateColumns(causes, columns, field),
  )
}

/** The status that the server itself would write is validated like the rest. */
function validateStoredVersions(causes: Causes, names: readonly string[]): void {
  const field = 'status.storedVersions'
  if (names.length === 0) causes.invalid(field, null, 'must have at least one stored version')
  else causes.invalid(field, names.slice(0, 1), `must have the storage version ${names.at(-1)}`)
}

/** Validates a part of each version. One that all versions share is reported once, at the place of an older form. */
function validateShared(
  versions: readonly Record<string, unknown>[],
  path: readonly string[],
  sharedField: string,
  validate: (part: unknown, field: string) => void,
): void {
  const parts = versions.map((version) => valueAt(version, ...path))
  if (parts.every((part) => isDeepStrictEqual(part, parts[0]))) {
    if (parts[0] !== undefined) validate(parts[0], sharedField)
    return
  }
  for (const [index, part] of parts.entries()) {
    if (part !== undefined) validate(part, `spec.versions[${index}].${path.join('.')}`)
  }
}

const columnTypes = ['boolean', 'date', 'integer', 'number', 'string']

function validateColumns(causes: Causes, columns: unknown, field: string): void {
  for (const [index, column] of recordsAt(columns).entries()) {
    const [name, type, path] = [textAt(column, 'name'), textAt(column, 'type'), textAt(column, 'jsonPath')]
    if (name === '') causes.required(`${field}[${index}].name`)
    if (type === '') causes.required(`${field}[${index}].type`, `must be one of ${columnTypes}`)
    else if (!columnTypes.includes(type))
      causes.invalid(`${field}[${index}].type`, type, `must be one of ${columnTypes}`)
    if (path === '') causes.required(`${field}[${index}].JSONPath`)
    else if (parseColumnPath(path) === undefined)
      causes.forbidden(`${field}[${index}].jsonPath`, `the path ${path} is not supported by the local cluster`)
  }
}

function validateConversion(causes: Causes, definition: ApiObject): void {
  const strategies = ['None', 'Webhook']
  const conversion = valueAt(definition, 'spec', 'conversion')
  const strategy = textAt(conversion, 'strategy')
  if (!strategies.includes(strategy)) causes.unsupported('spec.conversion.strategy', strategy, strategies)
  if (strategy !== 'Webhook') return
  if (valueAt(conversion, 'webhook', 'clientConfig') === undefined) {
    causes.required('spec.conversion.webhookClientConfig', 'required when strategy is set to Webhook')
  } else causes.forbidden('spec.conversion', 'conversion webhooks are not supported by the local cluster')
  if (textsAt(conversion, 'webhook', 'conversionReviewVersions').length === 0) {
    causes.required('spec.conversion.conversionReviewVersions')
  }
}

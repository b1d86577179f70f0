import { valueAt } from '#lib/formats'
import { type ApiObject, isRecord, recordsAt, textAt, textsAt } from '../api-object.ts'
import { validateMetadata } from '../validation/metadata.ts'
import { subdomainName } from '../validation/names.ts'
import { parseColumnPath } from './column-path.ts'
import { ageColumn, type Column, nameColumn } from './columns.ts'
import { metadataFields } from './fields.ts'
import { ageOf } from './human-duration.ts'
import type { ResourceRow } from './resource-row.ts'
import { validateRules } from './schema-rules.ts'
import { applyDefaults, type Schema, validateSchema } from './structural-schema.ts'

/** Fields that the schema of a definition need not name. */
const commonFields: Record<string, Schema> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: { ...metadataFields, type: 'object' },
}

/** Of a custom resource, only the metadata is decoded into a structure of Go. */
const decodedFields: Schema = { type: 'object', properties: { metadata: metadataFields } }

interface Version {
  name: string
  schema: Schema
  columns: readonly Column[]
  warnings: readonly string[]
}

/** The row of the kind that a CustomResourceDefinition defines. */
export function customRow(definition: ApiObject): ResourceRow {
  const group = textAt(definition, 'spec', 'group')
  const names = valueAt(definition, 'spec', 'names')
  // Clients prefer the stored version.
  const served = recordsAt(definition, 'spec', 'versions')
    .filter((version) => version.served === true)
    .toSorted((a, b) => Number(b.storage === true) - Number(a.storage === true))
  const versions = new Map(served.map((version) => [textAt(version, 'name'), parseVersion(version, definition)]))
  const version = (name: string) => versions.get(name) ?? [...versions.values()][0]
  const schema = (name: string) => version(name)?.schema ?? {}
  const hasStatus = served.some((one) => valueAt(one, 'subresources', 'status') !== undefined)
  return {
    builtIn: false,
    generation: true,
    unconditionalUpdates: false,
    group,
    versions: [...versions.keys()],
    kind: textAt(names, 'kind'),
    plural: textAt(names, 'plural'),
    singular: textAt(names, 'singular'),
    shortNames: textsAt(names, 'shortNames'),
    categories: textsAt(names, 'categories'),
    namespaced: textAt(definition, 'spec', 'scope') === 'Namespaced',
    subresources: hasStatus ? ['status'] : [],
    columns: (name) => version(name)?.columns ?? [nameColumn, ageColumn],
    fields: [],
    schema,
    decoded: decodedFields,
    protobuf: {},
    prepare: (draft, name) => applyDefaults(schema(name), draft),
    admit: () => {},
    validate(causes, object, name, previous) {
      validateMetadata(causes, object, subdomainName)
      const before = causes.list.length
      validateSchema(causes, schema(name), object)
      // Rules are written for objects that fit their schema.
      if (causes.list.length === before) validateRules(causes, schema(name), object, previous)
    },
    warnings: (name) => version(name)?.warnings ?? [],
  }
}

function parseVersion(version: Record<string, unknown>, definition: ApiObject): Version {
  const name = textAt(version, 'name')
  const schema = (valueAt(version, 'schema', 'openAPIV3Schema') ?? {}) as Schema
  const apiVersion = `${textAt(definition, 'spec', 'group')}/${name}`
  const kind = textAt(definition, 'spec', 'names', 'kind')
  const deprecation = textAt(version, 'deprecationWarning') || `${apiVersion} ${kind} is deprecated`
  return {
    name,
    schema: { ...schema, properties: { ...schema.properties, ...commonFields } },
    columns: printerColumns(recordsAt(version, 'additionalPrinterColumns')),
    warnings: version.deprecated === true ? [deprecation] : [],
  }
}

/** https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns */
function printerColumns(wanted: readonly Record<string, unknown>[]): readonly Column[] {
  if (wanted.length === 0) return [nameColumn, ageColumn]
  return [
    nameColumn,
    ...wanted.map((entry): Column => {
      const find = parseColumnPath(textAt(entry, 'jsonPath'))
      const type = textAt(entry, 'type') as Column['type']
      return {
        name: textAt(entry, 'name'),
        type,
        format: textAt(entry, 'format'),
        description: textAt(entry, 'description'),
        priority: typeof entry.priority === 'number' ? entry.priority : 0,
        cell: (object, now) => {
          const found = find?.(object)
          if (type === 'date') return found === undefined ? undefined : ageOf(found, now)
          return typeof found === 'object' && found !== null ? JSON.stringify(found) : found
        },
      }
    }),
  ]
}

/** Sets the defaults of a definition, and the status of one that is served. */
export function acceptDefinition(definition: ApiObject): void {
  const spec = definition.spec
  if (!isRecord(spec) || !isRecord(spec.names)) return
  const names = spec.names
  const kind = textAt(names, 'kind')
  names.singular ??= kind.toLowerCase()
  names.listKind ??= `${kind}List`
  // Empty: what is left of it when its strategy was given up by the writer who owned it.
  if (!isRecord(spec.conversion) || Object.keys(spec.conversion).length === 0) spec.conversion = { strategy: 'None' }
  const since = definition.metadata.creationTimestamp
  const storage = recordsAt(spec, 'versions').filter((version) => version.storage === true)
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: 'True',
    lastTransitionTime: since,
    reason,
    message,
  })
  definition.status = {
    acceptedNames: structuredClone(names),
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    storedVersions: storage.map((version) => textAt(version, 'name')),
  }
}

import type { Cause } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, textAt, textsAt, valueAt } from '../api-object.ts'
import { metadataFields } from './built-in-fields.ts'
import { ageColumn, type Column, nameColumn } from './columns.ts'
import { ageOf } from './human-duration.ts'
import type { ResourceRow } from './resource-row.ts'
import { applyDefaults, type Schema, validateSchema } from './structural-schema.ts'
import { validateMetadata } from './validate-metadata.ts'

const objectFields: Schema = {
  properties: {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
    metadata: { type: 'object', ...metadataFields },
  },
}

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
  const served = recordsAt(definition, 'spec', 'versions').filter(({ served: yes }) => yes === true)
  const versions = new Map(served.map((version) => [textAt(version, 'name'), parseVersion(version, definition)]))
  const version = (name: string) => versions.get(name) ?? [...versions.values()][0]
  const schema = (name: string) => version(name)?.schema ?? {}
  const hasStatus = served.some((one) => valueAt(one, 'subresources', 'status') !== undefined)
  return {
    builtIn: false,
    generation: true,
    group,
    versions: [...versions.keys()].toSorted(comparePriority),
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
    prepare: (draft, name) => applyDefaults(schema(name), draft),
    admit: () => {},
    validate: (object, name) => [...validateMetadata(object, 'subdomain'), ...validateSchema(schema(name), object)],
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
    schema: { ...schema, properties: { ...schema.properties, ...objectFields.properties } },
    columns: printerColumns(recordsAt(version, 'additionalPrinterColumns')),
    warnings: version['deprecated'] === true ? [deprecation] : [],
  }
}

/** https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns */
function printerColumns(wanted: readonly Record<string, unknown>[]): readonly Column[] {
  if (wanted.length === 0) return [nameColumn, ageColumn]
  return [
    nameColumn,
    ...wanted.map((entry): Column => {
      const path = parseJsonPath(textAt(entry, 'jsonPath'))
      const type = textAt(entry, 'type') as Column['type']
      return {
        name: textAt(entry, 'name'),
        type,
        format: textAt(entry, 'format'),
        description: textAt(entry, 'description'),
        priority: typeof entry['priority'] === 'number' ? entry['priority'] : 0,
        cell: (object, now) => {
          const found = valueAt(object, ...path)
          if (type === 'date') return ageOf(found, now)
          return typeof found === 'object' && found !== null ? JSON.stringify(found) : found
        },
      }
    }),
  ]
}

/** Field steps of a simple JSON path: `.status.conditions[0].type`, `.metadata.annotations['a.b/c']`. */
function parseJsonPath(path: string): (string | number)[] {
  return [...path.matchAll(/\.([\w-]+)|\[(\d+)\]|\['((?:[^'\\]|\\.)*)'\]/g)].map(([, field, index, quoted]) =>
    index === undefined ? (field ?? quoted ?? '') : Number(index),
  )
}

/** `v1` before `v1beta1` before `v1alpha1`; higher numbers first. https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/#version-priority */
function comparePriority(a: string, b: string): number {
  const rank = (version: string): number[] => {
    const [match, major, stage, minor] = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version) ?? []
    const stability = match === undefined ? -1 : ['alpha', 'beta', undefined].indexOf(stage)
    return [stability, Number(major ?? 0), Number(minor ?? 0)]
  }
  const [left, right] = [rank(a), rank(b)]
  const index = left.findIndex((part, at) => part !== right[at])
  return index < 0 ? a.localeCompare(b) : (right[index] ?? 0) - (left[index] ?? 0)
}

/** Defaults of a definition, and the status that says it is served. */
export function acceptDefinition(definition: ApiObject): void {
  const spec = definition['spec']
  if (!isRecord(spec) || !isRecord(spec['names'])) return
  const names = spec['names']
  const kind = textAt(names, 'kind')
  names['singular'] ??= kind.toLowerCase()
  names['listKind'] ??= `${kind}List`
  spec['conversion'] ??= { strategy: 'None' }
  const since = definition.metadata.creationTimestamp
  const storage = recordsAt(spec, 'versions').filter((version) => version['storage'] === true)
  const condition = (type: string, reason: string, message: string) => ({
    type,
    status: 'True',
    lastTransitionTime: since,
    reason,
    message,
  })
  definition['status'] = {
    acceptedNames: structuredClone(names),
    conditions: [
      condition('NamesAccepted', 'NoConflicts', 'no conflicts found'),
      condition('Established', 'InitialNamesAccepted', 'the initial names have been accepted'),
    ],
    storedVersions: storage.map((version) => textAt(version, 'name')),
  }
}

export function validateDefinition(definition: ApiObject): Cause[] {
  const problems: Cause[] = []
  const require = (...path: string[]) => {
    if (textAt(definition, ...path) !== '') return
    problems.push({ reason: 'FieldValueRequired', field: path.join('.'), message: 'Required value' })
  }
  require('spec', 'group')
  require('spec', 'names', 'plural')
  require('spec', 'names', 'kind')
  const scope = textAt(definition, 'spec', 'scope')
  if (scope !== 'Namespaced' && scope !== 'Cluster') {
    const message = `Unsupported value: "${scope}": supported values: "Cluster", "Namespaced"`
    problems.push({ reason: 'FieldValueNotSupported', field: 'spec.scope', message })
  }
  const expected = `${textAt(definition, 'spec', 'names', 'plural')}.${textAt(definition, 'spec', 'group')}`
  if (definition.metadata.name !== expected) {
    const message = `Invalid value: "${definition.metadata.name}": must be spec.names.plural+"."+spec.group`
    problems.push({ reason: 'FieldValueInvalid', field: 'metadata.name', message })
  }
  const versions = recordsAt(definition, 'spec', 'versions')
  if (versions.filter((version) => version['storage'] === true).length !== 1) {
    const message = 'Invalid value: must have exactly one version marked as storage version'
    problems.push({ reason: 'FieldValueInvalid', field: 'spec.versions', message })
  }
  for (const [index, version] of versions.entries()) {
    if (valueAt(version, 'schema', 'openAPIV3Schema') !== undefined) continue
    const field = `spec.versions[${index}].schema.openAPIV3Schema`
    problems.push({ reason: 'FieldValueRequired', field, message: 'Required value: schemas are required' })
  }
  if (JSON.stringify(versions).includes('"x-kubernetes-validations"')) {
    const message = 'Forbidden: x-kubernetes-validations (CEL rules) are not supported by the local cluster'
    problems.push({ reason: 'FieldValueForbidden', field: 'spec.versions', message })
  }
  if (valueAt(definition, 'spec', 'conversion', 'strategy') === 'Webhook') {
    const message = 'Forbidden: conversion webhooks are not supported by the local cluster'
    problems.push({ reason: 'FieldValueForbidden', field: 'spec.conversion', message })
  }
  return problems
}

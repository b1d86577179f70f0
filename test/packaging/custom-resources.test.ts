import assert from 'node:assert/strict'
import { test } from 'node:test'
import { classParameters, type ParameterRow } from '#azure/class'
import { statusAnnotations } from '#kubernetes/client'
import { manifest } from './manifests.ts'

interface Schema {
  type: string
  description?: string
  properties?: Record<string, Schema>
  items?: Schema
  additionalProperties?: Schema
}

interface Version {
  name: string
  served: boolean
  storage: boolean
  deprecated?: boolean
  deprecationWarning?: string
  schema: { openAPIV3Schema: Schema }
  subresources?: unknown
  additionalPrinterColumns?: { name: string; jsonPath: string }[]
}

function definition(plural: string) {
  const { spec } = manifest('CustomResourceDefinition', `${plural}.secrets-store.csi.x-k8s.io`)
  return spec as {
    group: string
    scope: string
    names: Record<string, string>
    versions: Version[]
    conversion?: unknown
  }
}

/** Every field of a version below `spec` and `status`, as `path: type`; `[]` for items and `*` for the values of a map. */
function fieldsOf({ schema }: Version): string[] {
  const walk = (path: string, { type, properties = {}, items, additionalProperties }: Schema): string[] => [
    `${path}: ${type}`,
    ...Object.entries(properties).flatMap(([name, child]) => walk(`${path}.${name}`, child)),
    ...(items === undefined ? [] : walk(`${path}[]`, items)),
    ...(additionalProperties === undefined ? [] : walk(`${path}.*`, additionalProperties)),
  ]
  const { properties = {} } = schema.openAPIV3Schema
  return ['spec', 'status'].flatMap((name) => {
    const child = properties[name]
    return child === undefined ? [] : walk(name, child)
  })
}

const classSpec = [
  'spec: object',
  'spec.provider: string',
  'spec.parameters: object',
  'spec.parameters.*: string',
  'spec.secretObjects: array',
  'spec.secretObjects[]: object',
  'spec.secretObjects[].secretName: string',
  'spec.secretObjects[].type: string',
  'spec.secretObjects[].labels: object',
  'spec.secretObjects[].labels.*: string',
  'spec.secretObjects[].annotations: object',
  'spec.secretObjects[].annotations.*: string',
  'spec.secretObjects[].data: array',
  'spec.secretObjects[].data[]: object',
  'spec.secretObjects[].data[].objectName: string',
  'spec.secretObjects[].data[].key: string',
  'status: object',
]

const podStatus = [
  'status: object',
  'status.podName: string',
  'status.secretProviderClassName: string',
  'status.mounted: boolean',
  'status.targetPath: string',
  'status.objects: array',
  'status.objects[]: object',
  'status.objects[].id: string',
  'status.objects[].version: string',
]

const expected = {
  secretproviderclasses: {
    v1: classSpec,
    v1alpha1: [
      ...classSpec,
      'status.byPod: array',
      'status.byPod[]: object',
      'status.byPod[].id: string',
      'status.byPod[].namespace: string',
    ],
  },
  secretproviderclasspodstatuses: { v1: podStatus, v1alpha1: podStatus },
} as const

for (const [plural, versions] of Object.entries(expected)) {
  test(`${plural} has exactly the fields of the Secrets Store CSI driver, in both versions`, () => {
    const found = definition(plural).versions.map((version) => [version.name, new Set(fieldsOf(version))])
    const wanted = Object.entries(versions).map(([name, fields]) => [name, new Set(fields)])
    assert.deepEqual(Object.fromEntries(found), Object.fromEntries(wanted))
  })

  test(`${plural} is namespaced, stored as v1, and written as a whole`, () => {
    const { scope, versions: all, conversion } = definition(plural)
    assert.equal(scope, 'Namespaced')
    assert.deepEqual(
      all.map(({ name, served, storage }) => ({ name, served, storage })),
      [
        { name: 'v1', served: true, storage: true },
        { name: 'v1alpha1', served: true, storage: false },
      ],
    )
    assert.ok(all.every(({ subresources }) => subresources === undefined))
    assert.equal(conversion, undefined)
  })
}

test('a class of v1alpha1 is answered with a warning that names v1', () => {
  const old = definition('secretproviderclasses').versions.find(({ name }) => name === 'v1alpha1')
  assert.equal(old?.deprecated, true)
  assert.match(old?.deprecationWarning ?? '', /secrets-store\.csi\.x-k8s\.io\/v1 instead/)
})

test('kubectl get shows the annotations of a status object that the driver writes', () => {
  const names: string[] = Object.values(statusAnnotations)
  for (const version of definition('secretproviderclasspodstatuses').versions) {
    const paths = (version.additionalPrinterColumns ?? []).map(({ jsonPath }) => jsonPath)
    const annotations = paths.flatMap((path) => path.split('.metadata.annotations.')[1]?.replaceAll('\\.', '.') ?? [])
    assert.equal(annotations.length, 5, version.name)
    for (const name of annotations) assert.ok(names.includes(name), name)
  }
})

/** Paths of the fields below `spec` and `status` that have no description; the items of `byPod` are never written. */
function undescribed({ schema }: Version): string[] {
  const walk = (path: string, { description, properties = {}, items }: Schema): string[] => [
    ...(description === undefined ? [path] : []),
    ...Object.entries(properties).flatMap(([name, child]) => walk(`${path}.${name}`, child)),
    ...Object.entries(items?.properties ?? {}).flatMap(([name, child]) => walk(`${path}[].${name}`, child)),
  ]
  const { spec, status } = schema.openAPIV3Schema.properties ?? {}
  const found = Object.entries({ spec, status }).flatMap(([name, child]) =>
    child === undefined ? [] : walk(name, child),
  )
  return found.filter((path) => !path.startsWith('status.byPod[]'))
}

test('every field has a description, for kubectl explain', () => {
  for (const plural of Object.keys(expected)) {
    for (const version of definition(plural).versions)
      assert.deepEqual(undescribed(version), [], `${plural} ${version.name}`)
  }
})

test('the description of the parameters lists those of the provider azure, as the parser knows them', () => {
  const rows: [string, ParameterRow][] = Object.entries(classParameters)
  const wanted = rows
    .filter(([, { deprecated }]) => deprecated === undefined)
    .map(
      ([name, { missing, meaning }]) =>
        `- ${name}${missing === undefined ? '' : ' (required)'}: ${meaning.replaceAll('`', '')}`,
    )
  for (const { name, schema } of definition('secretproviderclasses').versions) {
    const { parameters } = schema.openAPIV3Schema.properties?.spec?.properties ?? {}
    const listed = (parameters?.description ?? '').split('\n').filter((line) => line.startsWith('- '))
    assert.deepEqual(listed, wanted, name)
  }
})

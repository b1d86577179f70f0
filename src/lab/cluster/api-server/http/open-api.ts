import { createHash } from 'node:crypto'
import type { Catalog } from '../kinds/catalog.ts'
import type { ResourceRow } from '../kinds/resource-row.ts'
import type { Schema } from '../kinds/structural-schema.ts'

/**
 * The OpenAPI v3 documents, one per group and version. `kubectl apply` stops without them and leaves the validation of fields to a server
 * whose `patch` operations take `fieldValidation`; `kubectl explain` prints the schemas.
 * https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
 */

/** The index at `/openapi/v3`. kubectl asks for a document again when its hash changes. */
export function openApiIndex(catalog: Catalog): object {
  const paths: Record<string, object> = {}
  for (const [group, version] of groupVersionsOf(catalog)) {
    const path = pathOf(group, version)
    const hash = createHash('sha256')
      .update(JSON.stringify(openApiDocument(catalog, group, version)))
      .digest('hex')
    paths[path] = { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }
  }
  return { paths }
}

/** The document of one group and version; undefined when the server has no kinds in it. */
export function openApiDocument(catalog: Catalog, group: string, version: string): object | undefined {
  const rows = catalog.rows().filter((row) => row.group === group && row.versions.includes(version))
  if (rows.length === 0) return undefined
  const components: Components = { schemas: {}, prefix: componentPrefix(group, version) }
  const paths: Record<string, object> = {}
  for (const row of rows) {
    addKind(components, row, version)
    const { kind, plural, namespaced } = row
    const path = `/${pathOf(group, version)}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}/{name}`
    paths[path] = { patch: { parameters, 'x-kubernetes-group-version-kind': { group, version, kind }, responses: {} } }
  }
  return {
    openapi: '3.0.0',
    info: { title: 'Keymount local cluster', version: 'v1.34.0' },
    paths,
    components: { schemas: components.schemas },
  }
}

const parameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map((name) => ({ name, in: 'query' }))

function groupVersionsOf(catalog: Catalog): [group: string, version: string][] {
  const all = catalog.rows().flatMap(({ group, versions }) => versions.map((version) => `${group}/${version}`))
  return [...new Set(all)].map((name) => [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)])
}

const pathOf = (group: string, version: string) => (group === '' ? `api/${version}` : `apis/${group}/${version}`)

/** Names of components are reversed domains, as in a real API server: `io.k8s.core.v1.`. */
const componentPrefix = (group: string, version: string) =>
  [...(group === '' ? 'core.k8s.io' : group).split('.').toReversed(), version, ''].join('.')

interface Components {
  schemas: Record<string, object>
  prefix: string
}

function addKind(components: Components, row: ResourceRow, version: string): void {
  const { group, kind } = row
  const name = `${components.prefix}${kind}`
  const schema = expand(components, row.schema(version))
  const standard = row.builtIn ? { description: builtInDescription } : {}
  components.schemas[name] = {
    ...standard,
    ...schema,
    'x-kubernetes-group-version-kind': [{ group, version, kind }],
  }
}

const builtInDescription =
  'A built-in kind of Kubernetes, of which the local cluster knows the fields and their types. They are explained at https://kubernetes.io/docs/reference/kubernetes-api/'

/** A schema in which every struct of Go is a reference to a component, so that a schema may contain itself. */
function convert(components: Components, schema: Schema): object {
  const { 'x-go-type': type = '', properties } = schema
  if (properties === undefined || type === '') return expand(components, schema)
  const name = `${components.prefix}${type.slice(type.indexOf('.') + 1)}`
  if (!Object.hasOwn(components.schemas, name)) {
    // Before its fields, which may refer to it.
    components.schemas[name] = {}
    components.schemas[name] = expand(components, schema)
  }
  return { allOf: [{ $ref: `#/components/schemas/${name}` }], default: {} }
}

function expand(components: Components, schema: Schema): object {
  const { 'x-go-type': _, properties, items, additionalProperties, ...rest } = schema
  const children = Object.entries(properties ?? {}).map(([field, child]) => [field, convert(components, child)])
  return {
    ...rest,
    ...(properties === undefined ? {} : { properties: Object.fromEntries(children) }),
    ...(items === undefined ? {} : { items: convert(components, items) }),
    ...(typeof additionalProperties === 'object'
      ? { additionalProperties: convert(components, additionalProperties) }
      : {}),
  }
}

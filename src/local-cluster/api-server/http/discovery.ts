import { createHash } from 'node:crypto'
import type { Catalog } from '../kinds/catalog.ts'
import { apiVersionOf, type ResourceRow, type Subresource } from '../kinds/resource-row.ts'
import { reviewRows } from './reviews.ts'

interface ApiResource {
  group: string
  version: string
  kind: string
  plural: string
  singular: string
  namespaced: boolean
  shortNames: readonly string[]
  categories: readonly string[]
  verbs: readonly string[]
  subresources: readonly Subresource[]
}

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const subresourceVerbs: Record<Subresource, readonly string[]> = {
  status: ['get', 'patch', 'update'],
  token: ['create'],
  log: ['get'],
  exec: ['create', 'get'],
}

function resourcesOf(catalog: Catalog): ApiResource[] {
  const stored = catalog
    .rows()
    .flatMap((row: ResourceRow) => row.versions.map((version) => ({ ...row, version, verbs: allVerbs })))
  const reviews = reviewRows.map((row) => ({
    ...row,
    singular: row.kind.toLowerCase(),
    namespaced: false,
    shortNames: [],
    categories: [],
    verbs: ['create'],
    subresources: [],
  }))
  return [...stored, ...reviews]
}

/** Groups with their versions in the order of preference. */
function groupsOf(resources: readonly ApiResource[]): Map<string, Map<string, ApiResource[]>> {
  const groups = new Map<string, Map<string, ApiResource[]>>()
  for (const resource of resources) {
    const versions = groups.get(resource.group) ?? new Map<string, ApiResource[]>()
    versions.set(resource.version, [...(versions.get(resource.version) ?? []), resource])
    groups.set(resource.group, versions)
  }
  return groups
}

export const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/** What `/api` and `/apis` say to clients that ask for everything at once. https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery */
export function aggregatedDiscovery(catalog: Catalog, core: boolean): object {
  const groups = [...groupsOf(resourcesOf(catalog))].filter(([group]) => (group === '') === core)
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(([group, versions]) => ({
      metadata: group === '' ? {} : { name: group },
      versions: [...versions].map(([version, resources]) => ({
        version,
        freshness: 'Current',
        resources: resources.map(aggregatedResource),
      })),
    })),
  }
}

function aggregatedResource(resource: ApiResource): object {
  const { group, version, kind, plural, singular, namespaced, subresources, verbs, shortNames, categories } = resource
  const responseKind = { group, version, kind }
  return {
    resource: plural,
    singularResource: singular,
    responseKind,
    scope: namespaced ? 'Namespaced' : 'Cluster',
    ...{ verbs, shortNames, categories },
    subresources: subresources.map((name) => ({ subresource: name, responseKind, verbs: subresourceVerbs[name] })),
  }
}

/** `APIResourceList` of `/api/v1` and `/apis/GROUP/VERSION`; undefined when there is none. */
export function resourceList(catalog: Catalog, group: string, version: string): object | undefined {
  const resources = groupsOf(resourcesOf(catalog)).get(group)?.get(version)
  if (resources === undefined) return undefined
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: apiVersionOf(group, version),
    resources: resources.flatMap(({ plural, singular, subresources, kind, namespaced, ...resource }) => {
      const { verbs, shortNames, categories } = resource
      return [
        { name: plural, singularName: singular, namespaced, kind, verbs, shortNames, categories },
        ...subresources.map((name) => ({
          ...{ name: `${plural}/${name}`, singularName: '', namespaced, kind, verbs: subresourceVerbs[name] },
        })),
      ]
    }),
  }
}

const pathOf = (group: string, version: string) => (group === '' ? `api/${version}` : `apis/${group}/${version}`)

/** The index of `/openapi/v3`. kubectl apply stops without one. */
export function openApiIndex(catalog: Catalog): object {
  const paths: Record<string, object> = {}
  for (const [group, versions] of groupsOf(resourcesOf(catalog))) {
    for (const version of versions.keys()) {
      const document = JSON.stringify(openApiDocument(catalog, group, version))
      const hash = createHash('sha256').update(document).digest('hex').toUpperCase()
      paths[pathOf(group, version)] = { serverRelativeURL: `/openapi/v3/${pathOf(group, version)}?hash=${hash}` }
    }
  }
  return { paths }
}

/**
 * The OpenAPI document of one group version: as much of it as makes kubectl leave the validation of fields to the server
 * (each kind's `patch` takes `fieldValidation` and `dryRun`), and no schemas. Undefined when there is none.
 */
export function openApiDocument(catalog: Catalog, group: string, version: string): object | undefined {
  const resources = groupsOf(resourcesOf(catalog)).get(group)?.get(version)
  if (resources === undefined) return undefined
  const parameters = ['dryRun', 'fieldManager', 'fieldValidation', 'force'].map((name) => ({ name, in: 'query' }))
  const operation = (kind: string) => ({
    patch: { parameters, 'x-kubernetes-group-version-kind': { group, version, kind }, responses: {} },
  })
  const path = ({ plural, namespaced }: ApiResource) =>
    `/${pathOf(group, version)}/${namespaced ? 'namespaces/{namespace}/' : ''}${plural}/{name}`
  return {
    openapi: '3.0.0',
    info: { title: 'Keymount local cluster', version: 'v1.34.0' },
    paths: Object.fromEntries(resources.map((resource) => [path(resource), operation(resource.kind)])),
    components: { schemas: {} },
  }
}

import type { Catalog } from '../kinds/catalog.ts'
import { apiVersionOf, type ResourceRow, type Subresource } from '../kinds/resource-row.ts'
import { reviewRows } from './reviews.ts'
import { scaleKind } from './scale-handler.ts'

type ApiResource = Pick<ResourceRow, 'group' | 'kind' | 'plural' | 'singular' | 'namespaced'> &
  Pick<ResourceRow, 'shortNames' | 'categories' | 'subresources'> & { version: string; verbs: readonly string[] }

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']
const subresourceVerbs: Record<Subresource, readonly string[]> = {
  status: ['get', 'patch', 'update'],
  scale: ['get', 'patch', 'update'],
  token: ['create'],
  log: ['get'],
  proxy: ['get'],
  exec: ['create', 'get'],
}

/** All kinds by group and version; the versions of a group in the order of preference. */
function resourcesOf(catalog: Catalog): Map<string, Map<string, ApiResource[]>> {
  const stored = catalog.rows().flatMap((row) => row.versions.map((version) => ({ ...row, version, verbs: allVerbs })))
  const onlyAsked = { namespaced: false, shortNames: [], categories: [], verbs: ['create'], subresources: [] }
  const reviews = reviewRows.map((row) => ({ ...row, ...onlyAsked, singular: row.kind.toLowerCase() }))
  const groups = Map.groupBy([...stored, ...reviews], ({ group }) => group)
  return new Map([...groups].map(([group, resources]) => [group, Map.groupBy(resources, ({ version }) => version)]))
}

export const aggregatedType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'

/** What `/api` and `/apis` answer to clients that ask for everything at once. https://kubernetes.io/docs/concepts/overview/kubernetes-api/#aggregated-discovery */
export function aggregatedDiscovery(catalog: Catalog, core: boolean): object {
  const groups = [...resourcesOf(catalog)].filter(([group]) => (group === '') === core)
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
    subresources: subresources.map((name) => ({
      subresource: name,
      responseKind: name === 'scale' ? scaleKind : responseKind,
      verbs: subresourceVerbs[name],
    })),
  }
}

/** `APIResourceList` of `/api/v1` and `/apis/GROUP/VERSION`; undefined when there is none. */
export function resourceList(catalog: Catalog, group: string, version: string): object | undefined {
  const resources = resourcesOf(catalog).get(group)?.get(version)
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
          ...(name === 'scale' ? scaleKind : {}),
        })),
      ]
    }),
  }
}

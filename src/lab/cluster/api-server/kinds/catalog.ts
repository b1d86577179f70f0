import type { ResourceKey, Store } from '../objects/store.ts'
import { builtInRows } from './built-in-kinds.ts'
import { customRow } from './custom-resource.ts'
import { keyOf, type ResourceRow } from './resource-row.ts'

/** The kinds that the server has right now: the built-in ones, and one per CustomResourceDefinition in the store. */
export interface Catalog {
  rows(): readonly ResourceRow[]
  has(key: ResourceKey): boolean
  /** Throws for a key that is not in the catalog. */
  row(key: ResourceKey): ResourceRow
  find(group: string, version: string, plural: string): ResourceRow | undefined
}

const definitionsKey: ResourceKey = 'customresourcedefinitions.apiextensions.k8s.io'

export function createCatalog(store: Store): Catalog {
  let rows = new Map<ResourceKey, ResourceRow>()
  const rebuild = () => {
    const all = [...builtInRows, ...store.list(definitionsKey).map(customRow)]
    rows = new Map(all.map((row) => [keyOf(row), row]))
  }
  rebuild()
  store.follow(store.revision, ({ resource }) => {
    if (resource === definitionsKey) rebuild()
  })
  return {
    rows: () => [...rows.values()],
    has: (key) => rows.has(key),
    row(key) {
      const found = rows.get(key)
      if (found === undefined) throw new Error(`The catalog has no ${key}`)
      return found
    },
    find(group, version, plural) {
      const found = rows.get(keyOf({ group, plural }))
      return found?.versions.includes(version) ? found : undefined
    },
  }
}

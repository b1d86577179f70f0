import type { ResourceRow } from './resource-row.ts'
import type { Schema } from './structural-schema.ts'

/** The fields that identify an item of the list at a path; undefined for a list that is replaced as a whole. */
export type ListKeys = (path: readonly string[]) => readonly string[] | undefined

/** Merge keys of the built-in kinds' lists by field name, for strategic merge patches and field ownership. */
const builtInKeys: Record<string, readonly string[]> = {
  addresses: ['type'],
  conditions: ['type'],
  containers: ['name'],
  env: ['name'],
  ephemeralContainers: ['name'],
  hostAliases: ['ip'],
  imagePullSecrets: ['name'],
  initContainers: ['name'],
  ownerReferences: ['uid'],
  ports: ['containerPort'],
  secrets: ['name'],
  taints: ['key'],
  volumeDevices: ['devicePath'],
  volumeMounts: ['mountPath'],
  volumes: ['name'],
  webhooks: ['name'],
}

/** Where a kind has another key for a field of the same name. */
const keysOfKind: Record<string, typeof builtInKeys> = { services: { ports: ['port'] } }

/** Lists of plain values that a strategic patch adds to. */
export const mergedSets: ReadonlySet<string> = new Set(['finalizers'])

/** Merge keys of a kind's lists: by name for built-in kinds, as the definition specifies for custom ones. */
export function listKeysOf(row: ResourceRow, version: string): ListKeys {
  if (row.builtIn) {
    const keys = { ...builtInKeys, ...keysOfKind[row.plural] }
    return (path) => keys[path.at(-1) ?? '']
  }
  const schema = row.schema(version)
  return (path) => {
    const found = path.reduce<Schema | undefined>(step, schema)
    return found?.['x-kubernetes-list-type'] === 'map' ? found['x-kubernetes-list-map-keys'] : undefined
  }
}

function step(schema: Schema | undefined, field: string): Schema | undefined {
  if (field === '*') return schema?.items
  return (
    schema?.properties?.[field] ??
    (typeof schema?.additionalProperties === 'object' ? schema.additionalProperties : undefined)
  )
}

import { anyName, type VaultObject } from '#azure/class'
import { concealedName, everyObject } from '#kubernetes/client'
import { eventsLimits } from './events-limits.ts'
import type { VaultEvent } from './vault-event.ts'

/** Which classes an event concerns, and which objects of them. */
export interface EventMatch {
  /** Ids for the annotation, by `namespace/name` of the class. */
  classes: ReadonlyMap<string, readonly string[]>
  /** Whether other classes have the object by a version of their own. */
  pinned: boolean
}

/** The objects of all classes, by vault and name. */
export interface ClassIndex {
  /** Replaces the objects of a class. False: the classes of its namespace have too many objects, and this one is left out. */
  set(key: string, objects: readonly VaultObject[]): boolean
  remove(key: string): void
  match(event: VaultEvent): EventMatch
  /** How many objects a class has. */
  objectsOf(key: string): number
  /** How many classes there are. */
  readonly size: number
}

/** Objects that an event about one object concerns: the key and the secret of a certificate change with it. */
const concerned: Readonly<Record<'secret' | 'key' | 'certificate', readonly VaultObject['collection'][]>> = {
  secret: ['secrets'],
  key: ['keys'],
  certificate: ['certificates', 'keys', 'secrets'],
}

export function createClassIndex(): ClassIndex {
  const objectsOf = new Map<string, readonly VaultObject[]>()
  /** Versions that a class has an object in, by vault and object, by class. */
  const vaults = new Map<string, Map<string, Map<string, string[]>>>()
  const countOf = new Map<string, number>()

  function remove(key: string): void {
    for (const object of objectsOf.get(key) ?? []) {
      const objects = vaults.get(object.vaultHost)
      const classes = objects?.get(nameOf(object))
      classes?.delete(key)
      if (classes?.size === 0) objects?.delete(nameOf(object))
      if (objects?.size === 0) vaults.delete(object.vaultHost)
    }
    count(key, -(objectsOf.get(key)?.length ?? 0))
    objectsOf.delete(key)
  }

  function count(key: string, more: number): void {
    const namespace = namespaceOf(key)
    const now = (countOf.get(namespace) ?? 0) + more
    if (now === 0) countOf.delete(namespace)
    else countOf.set(namespace, now)
  }

  return {
    set(key, objects) {
      remove(key)
      const { value: most } = eventsLimits.objectsOfNamespace
      if ((countOf.get(namespaceOf(key)) ?? 0) + objects.length > most) return false
      for (const object of objects) {
        const classes = entryOf(entryOf(vaults, object.vaultHost), nameOf(object))
        classes.set(key, [...(classes.get(key) ?? []), object.version.toLowerCase()])
      }
      objectsOf.set(key, objects)
      count(key, objects.length)
      return true
    },
    remove,
    objectsOf: (key) => objectsOf.get(key)?.length ?? 0,
    match: (event) => (event.kind === 'access' ? matchVault(vaults, event) : matchObject(vaults, event, event.kind)),
    get size() {
      return objectsOf.size
    },
  }
}

type Vaults = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, readonly string[]>>>

function matchVault(vaults: Vaults, { vaultHost }: VaultEvent): EventMatch {
  const classes = new Map<string, readonly string[]>()
  for (const found of vaults.get(vaultHost)?.values() ?? [])
    for (const key of found.keys()) classes.set(key, [everyObject])
  return { classes, pinned: false }
}

function matchObject(
  vaults: Vaults,
  { vaultHost, name, version }: VaultEvent,
  kind: Exclude<VaultEvent['kind'], 'access'>,
): EventMatch {
  const classes = new Map<string, string[]>()
  let pinned = false
  for (const collection of concerned[kind]) {
    const idOf = (shown: string) => `https://${vaultHost}/${collection}/${shown}${version === '' ? '' : `/${version}`}`
    const classesWith = (wanted: string) => vaults.get(vaultHost)?.get(nameOf({ collection, name: wanted })) ?? []
    const add = (key: string, id: string) => classes.set(key, [...new Set([...(classes.get(key) ?? []), id])])
    const naming = new Set<string>()
    for (const [key, versions] of classesWith(name)) {
      naming.add(key)
      if (versions.some((one) => one === '' || version === '' || one === version.toLowerCase())) add(key, idOf(name))
      else pinned = true
    }
    for (const [key] of classesWith(anyName)) add(key, idOf(naming.has(key) ? name : concealedName(name)))
  }
  return { classes, pinned }
}

/** Names in a vault are compared without regard to case. */
function nameOf({ collection, name }: Pick<VaultObject, 'collection' | 'name'>): string {
  return `${collection}/${name.toLowerCase()}`
}

function entryOf<K, V>(map: Map<K, Map<string, V>>, key: K): Map<string, V> {
  const found = map.get(key) ?? new Map<string, V>()
  map.set(key, found)
  return found
}

export function namespaceOf(key: string): string {
  return key.slice(0, key.indexOf('/'))
}

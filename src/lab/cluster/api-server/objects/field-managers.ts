import { isDeepStrictEqual } from 'node:util'
import { ApiError } from '../api-error.ts'
import { type ApiObject, isRecord, serverFields, setField } from '../api-object.ts'
import type { ListKeys } from '../kinds/list-keys.ts'

/**
 * Who owns which field, as `metadata.managedFields` records it, and server-side apply on top of it.
 * https://kubernetes.io/docs/reference/using-api/server-side-apply/
 *
 * A field is a path of steps (`f:spec`, `k:{"name":"app"}`) joined by a separator; its leaves are plain values, empty
 * objects and lists without a merge key.
 */
export interface Manager {
  manager: string
  operation: 'Apply' | 'Update'
  apiVersion: string
  time: string
  subresource?: string
}

interface ManagedEntry extends Manager {
  fieldsType: 'FieldsV1'
  fieldsV1: FieldTree
}

interface FieldTree {
  [step: string]: FieldTree
}

const separator = '\0'

/** Fields that belong to the server, or name the object. */
const unowned = new Set([
  'f:apiVersion',
  'f:kind',
  ...[...serverFields, 'name', 'namespace', 'generateName', 'managedFields'].map(
    (field) => `f:metadata${separator}f:${field}`,
  ),
])

type Leaves = Map<string, unknown>

function leavesOf(object: unknown, keysOf: ListKeys): Leaves {
  const leaves: Leaves = new Map()
  collect(object, [], [])
  return leaves

  function collect(value: unknown, steps: readonly string[], path: readonly string[]): void {
    const field = steps.join(separator)
    if (unowned.has(field)) return
    const keys = Array.isArray(value) ? keysOf(path) : undefined
    if (isRecord(value) && Object.keys(value).length > 0) {
      for (const [name, child] of Object.entries(value)) collect(child, [...steps, `f:${name}`], [...path, name])
    } else if (Array.isArray(value) && keys !== undefined && value.length > 0) {
      for (const item of value) {
        const here = [...steps, itemStep(item, keys)]
        leaves.set([...here, '.'].join(separator), undefined)
        collect(item, here, [...path, '*'])
      }
    } else if (steps.length > 0) leaves.set(field, value)
  }
}

const itemStep = (item: unknown, keys: readonly string[]) =>
  `k:${JSON.stringify(Object.fromEntries(keys.map((key) => [key, isRecord(item) ? item[key] : undefined])))}`

/** The object with its managers after a plain write: the writer owns the fields that it changed; removed fields have no owner. */
export function recordUpdate(
  previous: ApiObject | undefined,
  next: ApiObject,
  writer: Manager,
  keysOf: ListKeys,
): ApiObject {
  const before = leavesOf(previous ?? {}, keysOf)
  const after = leavesOf(next, keysOf)
  const changed = new Set(
    [...after]
      .filter(([field, value]) => !before.has(field) || !isDeepStrictEqual(before.get(field), value))
      .map(([field]) => field),
  )
  const entries = entriesOf(next).map(({ entry, owned }) => ({
    entry,
    owned: new Set([...owned].filter((field) => after.has(field) && (!changed.has(field) || isSame(entry, writer)))),
  }))
  const mine = entries.find(({ entry }) => isSame(entry, writer))
  if (mine === undefined) entries.push({ entry: writer, owned: changed })
  else if (changed.size > 0) {
    mine.owned = new Set([...mine.owned, ...changed])
    mine.entry = writer
  }
  return withEntries(next, entries)
}

/** Applies a configuration to a clone of the live object: sets its fields, and removes those that its manager applied before and no longer has. */
export function applyConfiguration(
  live: ApiObject,
  applied: ApiObject,
  { writer, force, keysOf }: { writer: Manager; force: boolean; keysOf: ListKeys },
): ApiObject {
  const wanted = leavesOf(applied, keysOf)
  const present = leavesOf(live, keysOf)
  const entries = entriesOf(live)
  const others = entries.filter(({ entry }) => !isSame(entry, writer))
  const differs = (field: string) => !field.endsWith('.') && !isDeepStrictEqual(present.get(field), wanted.get(field))
  const taken = new Set([...wanted.keys()].filter(differs))
  if (!force) refuseConflicts(others, taken)
  for (const other of others) other.owned = new Set([...other.owned].filter((field) => !taken.has(field)))
  const mine = entries.find(({ entry }) => isSame(entry, writer))
  const merged = mergeApplied(live, applied, keysOf, []) as ApiObject
  const dropped = [...leavesOf(merged, keysOf).keys()].filter(
    (field) => mine?.owned.has(field) && !wanted.has(field) && !others.some(({ owned }) => owned.has(field)),
  )
  for (const field of dropped) removeField(merged, field.split(separator))
  const owned = new Set(wanted.keys())
  if (mine === undefined) entries.push({ entry: writer, owned })
  else {
    // The same configuration again changes nothing, not even the time.
    if (taken.size > 0 || !isDeepStrictEqual(mine.owned, owned)) mine.entry = writer
    mine.owned = owned
  }
  return withEntries(merged, entries)
}

function refuseConflicts(others: readonly Owner[], taken: ReadonlySet<string>): void {
  const conflicts = others.flatMap(({ entry, owned }) =>
    [...owned].filter((field) => taken.has(field)).map((field) => ({ entry, field: display(field) })),
  )
  if (conflicts.length === 0) return
  const list = conflicts.map(
    ({ entry, field }) => `conflict with "${entry.manager}" using ${entry.apiVersion}: ${field}`,
  )
  const count = `${conflicts.length} conflict${conflicts.length === 1 ? '' : 's'}`
  throw new ApiError(409, 'Conflict', `Apply failed with ${count}: ${list.join(', ')}`, {
    causes: conflicts.map(({ entry, field }) => ({
      reason: 'FieldManagerConflict',
      message: `conflict with "${entry.manager}" using ${entry.apiVersion}`,
      field,
    })),
  })
}

const display = (field: string) =>
  field
    .split(separator)
    .map((step) =>
      step.startsWith('k:') ? `[${step.slice(3, -1).replaceAll('":', '=').replace('"', '')}]` : `.${step.slice(2)}`,
    )
    .join('')

function mergeApplied(live: unknown, applied: unknown, keysOf: ListKeys, path: readonly string[]): unknown {
  const keys = Array.isArray(applied) ? keysOf(path) : undefined
  if (Array.isArray(applied) && keys !== undefined) {
    // By key, so that long lists take linear time.
    const result = new Map((Array.isArray(live) ? live : []).map((item) => [itemStep(item, keys), item]))
    for (const item of applied) {
      const step = itemStep(item, keys)
      result.set(step, result.has(step) ? mergeApplied(result.get(step), item, keysOf, [...path, '*']) : item)
    }
    return [...result.values()]
  }
  if (!isRecord(applied)) return applied
  const result: Record<string, unknown> = isRecord(live) ? { ...live } : {}
  for (const [field, value] of Object.entries(applied)) {
    const before = Object.hasOwn(result, field) ? result[field] : undefined
    if (value !== null) setField(result, field, mergeApplied(before, value, keysOf, [...path, field]))
  }
  return result
}

function removeField(container: unknown, [step = '', ...rest]: readonly string[]): void {
  if (Array.isArray(container)) {
    const key = JSON.parse(step.slice(2)) as Record<string, unknown>
    const at = container.findIndex((item) =>
      Object.entries(key).every(([name, value]) => isRecord(item) && item[name] === value),
    )
    if (at < 0) return
    if (rest[0] === '.') container.splice(at, 1)
    else removeField(container[at], rest)
  } else if (isRecord(container)) {
    const name = step.slice(2)
    if (rest.length === 0) delete container[name]
    else removeField(container[name], rest)
  }
}

interface Owner {
  entry: Manager
  owned: Set<string>
}

const isSame = (a: Manager, b: Manager) =>
  a.manager === b.manager && a.operation === b.operation && a.subresource === b.subresource

function entriesOf({ metadata }: ApiObject): Owner[] {
  const entries = (metadata.managedFields ?? []) as Partial<ManagedEntry>[]
  return entries
    .filter((entry): entry is ManagedEntry => entry.manager !== undefined && entry.fieldsV1 !== undefined)
    .map(({ fieldsV1, fieldsType: _, ...entry }) => ({ entry, owned: new Set(pathsOf(fieldsV1)) }))
}

function withEntries(object: ApiObject, entries: readonly Owner[]): ApiObject {
  const managedFields = entries
    .filter(({ owned }) => owned.size > 0)
    .map(({ entry, owned }): ManagedEntry => ({ ...entry, fieldsType: 'FieldsV1', fieldsV1: treeOf(owned) }))
  return { ...object, metadata: { ...object.metadata, managedFields } }
}

function pathsOf(tree: FieldTree, prefix: readonly string[] = []): string[] {
  return Object.entries(tree).flatMap(([step, child]) => {
    const path = [...prefix, step]
    return Object.keys(child).length === 0 ? [path.join(separator)] : pathsOf(child, path)
  })
}

function treeOf(paths: Iterable<string>): FieldTree {
  const root: FieldTree = {}
  for (const path of [...paths].toSorted()) {
    let node = root
    for (const step of path.split(separator)) node = node[step] ??= {}
  }
  return root
}

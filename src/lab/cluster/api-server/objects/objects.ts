import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import { type Clock, timestamp } from '#lib'
import {
  type ApiError,
  alreadyExists,
  badRequest,
  Causes,
  conflict,
  forbidden,
  invalid,
  notFound,
} from '../api-error.ts'
import { type ApiObject, serverFields } from '../api-object.ts'
import { listKeysOf } from '../kinds/list-keys.ts'
import { apiVersionOf, keyOf, type ResourceRow } from '../kinds/resource-row.ts'
import { applyConfiguration, type Manager, recordUpdate } from './field-managers.ts'
import { checkPreconditions, type DeleteOptions, isFinished, markDeleted } from './object-deletion.ts'
import type { Store } from './store.ts'
import { nameOf, parseObject, pruneUnknown, type Write, type WriteOptions } from './write-request.ts'

export interface ObjectRef {
  namespace?: string | undefined
  name: string
}

/**
 * The operations on an object of any kind: creation with defaults and validation, versioned updates, server-side apply,
 * graceful deletion. Everything is synchronous, so that nothing comes between a check and its write. Throws {@link ApiError}.
 */
export interface Objects {
  get(row: ResourceRow, ref: ObjectRef): ApiObject
  create(row: ResourceRow, namespace: string | undefined, body: unknown, options: WriteOptions): ApiObject
  /** `change` receives a draft and returns the new object; a resourceVersion in it must be the current one. */
  update(row: ResourceRow, ref: ObjectRef, change: (draft: ApiObject) => unknown, options: WriteOptions): ApiObject
  /** Server-side apply; creates a missing object. */
  apply(row: ResourceRow, ref: ObjectRef, body: unknown, options: WriteOptions & { force: boolean }): ApiObject
  /** Returns the last state of the object; `gone` is false while a grace period or a finalizer holds it. */
  delete(row: ResourceRow, ref: ObjectRef, options: DeleteOptions): { object: ApiObject; gone: boolean }
}

interface Surroundings {
  store: Store
  clock: Clock
}

export function createObjects(around: Surroundings): Objects {
  return {
    get: (row, ref) => get(around, row, ref),
    create: (row, namespace, body, options) => create(around, row, namespace, body, options),
    update: (row, ref, change, options) => update(around, row, ref, change, options),
    apply: (row, ref, body, options) => apply(around, row, ref, body, options),
    delete: (row, ref, options) => remove(around, row, ref, options),
  }
}

function get({ store }: Surroundings, row: ResourceRow, { namespace, name }: ObjectRef): ApiObject {
  const found = store.get(keyOf(row), namespace, name)
  if (found === undefined) throw notFound(row, name)
  return found
}

function create(
  around: Surroundings,
  row: ResourceRow,
  namespace: string | undefined,
  body: unknown,
  options: WriteOptions,
): ApiObject {
  const write = writeOf(row, options)
  const draft = draftNew(around, write, namespace, body)
  return put(around, write, recorded(around, write, undefined, draft), undefined)
}

/** A new object with everything that the server adds to it. */
function draftNew(
  { store, clock }: Surroundings,
  write: Write,
  namespace: string | undefined,
  body: unknown,
): ApiObject {
  const { row } = write
  const draft = parseObject(write, body, { namespace })
  if (draft.metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
  const name = nameOf(write, draft)
  requireNamespace(store, row, name, namespace)
  draft.metadata = withServerFields(draft, {
    uid: randomUUID(),
    creationTimestamp: timestamp(clock.now()),
    ...(row.generation ? { generation: 1 } : {}),
  })
  draft.metadata.name = name
  delete draft.metadata.managedFields
  if (row.subresources.includes('status')) delete draft.status
  pruneUnknown(write, draft)
  row.prepare(draft, write.version)
  row.admit(draft, store)
  validate(write, draft, undefined)
  if (store.get(keyOf(row), namespace, name) !== undefined) throw alreadyExists(row, name)
  return draft
}

function requireNamespace(store: Store, row: ResourceRow, name: string, namespace: string | undefined): void {
  if (!row.namespaced) return
  const found = store.get('namespaces', undefined, namespace ?? '')
  if (found === undefined) throw notFound({ group: '', kind: 'Namespace', plural: 'namespaces' }, namespace ?? '')
  if (found.metadata.deletionTimestamp === undefined) return
  const why = `unable to create new content in namespace ${namespace} because it is being terminated`
  throw forbidden(row, name, why)
}

function update(
  around: Surroundings,
  row: ResourceRow,
  ref: ObjectRef,
  change: (draft: ApiObject) => unknown,
  options: WriteOptions,
): ApiObject {
  const write = writeOf(row, options)
  const current = get(around, row, ref)
  const wanted = parseObject(write, change(structuredClone(current)), ref)
  const { uid, resourceVersion } = wanted.metadata
  if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
    const why = 'the object has been modified; please apply your changes to the latest version and try again'
    throw conflict(row, ref.name, why)
  }
  if (!resourceVersion && !row.unconditionalUpdates) throw missingVersion(row, ref.name)
  checkPreconditions(row, current, { uid })
  return replace(around, write, current, wanted, (next) => recorded(around, write, current, next))
}

function missingVersion({ group, plural }: ResourceRow, name: string): ApiError {
  const causes = new Causes()
  causes.invalid('metadata.resourceVersion', 0, 'must be specified for an update')
  return invalid({ group, plural, kind: plural }, name, causes.list)
}

function apply(
  around: Surroundings,
  row: ResourceRow,
  ref: ObjectRef,
  body: unknown,
  options: WriteOptions & { force: boolean },
): ApiObject {
  const write = writeOf(row, options)
  const applied = parseObject(write, body, ref)
  if (applied.metadata.managedFields?.length) throw badRequest('metadata.managedFields must be nil')
  const how = {
    writer: managerOf(around, write, 'Apply'),
    force: options.force,
    keysOf: listKeysOf(row, write.version),
  }
  const current = around.store.get(keyOf(row), ref.namespace, ref.name)
  if (current === undefined) {
    const draft = draftNew(around, write, ref.namespace, applied)
    const { metadata } = applyConfiguration(structuredClone(draft), applied, how)
    return put(around, write, { ...draft, metadata }, undefined)
  }
  pruneUnknown(write, applied)
  return replace(around, write, current, applyConfiguration(structuredClone(current), applied, how), (next) => next)
}

/** Writes `wanted` over `current`, as far as the writer may. An object whose last finalizer went is removed. */
function replace(
  around: Surroundings,
  write: Write,
  current: ApiObject,
  wanted: ApiObject,
  record: (next: ApiObject) => ApiObject,
): ApiObject {
  const { row, version } = write
  const next = write.subresource === 'status' ? statusOnly(current, wanted) : allButStatus(row, current, wanted)
  pruneUnknown(write, next)
  row.prepare(next, version, current)
  validate(write, next, current)
  if (isDeepStrictEqual({ ...next, apiVersion: current.apiVersion }, current)) {
    write.admit?.(current, current)
    return current
  }
  if (row.generation && !isDeepStrictEqual(desired(next), desired(current))) {
    next.metadata.generation = (current.metadata.generation ?? 0) + 1
  }
  return put(around, write, record(next), current)
}

function put(
  { store }: Surroundings,
  { row, dryRun, admit }: Write,
  object: ApiObject,
  previous: ApiObject | undefined,
): ApiObject {
  admit?.(object, previous)
  if (dryRun) return object
  return isFinished(object) ? store.remove(keyOf(row), object) : store.put(keyOf(row), object)
}

function remove(
  around: Surroundings,
  row: ResourceRow,
  ref: ObjectRef,
  options: DeleteOptions,
): { object: ApiObject; gone: boolean } {
  const { store, clock } = around
  const current = get(around, row, ref)
  checkPreconditions(row, current, options.preconditions ?? {})
  options.admit?.(current, current)
  if (options.dryRun) return { object: current, gone: true }
  const marked = markDeleted(row, current, options, clock.now())
  if (isFinished(marked)) return { object: store.remove(keyOf(row), marked), gone: true }
  return { object: marked === current ? current : store.put(keyOf(row), marked), gone: false }
}

/** The object with the writer recorded as owner of the fields that it changed. */
function recorded(around: Surroundings, write: Write, previous: ApiObject | undefined, next: ApiObject): ApiObject {
  return recordUpdate(previous, next, managerOf(around, write, 'Update'), listKeysOf(write.row, write.version))
}

function managerOf(
  { clock }: Surroundings,
  { row, version, manager, subresource }: Write,
  operation: Manager['operation'],
): Manager {
  const apiVersion = apiVersionOf(row.group, version)
  const time = timestamp(clock.now())
  return { manager, operation, apiVersion, time, ...(subresource === undefined ? {} : { subresource }) }
}

function writeOf(row: ResourceRow, options: WriteOptions): Write {
  return { ...options, row, version: options.version ?? row.versions[0] ?? '' }
}

function validate({ row, version }: Write, object: ApiObject, previous: ApiObject | undefined): void {
  const causes = new Causes()
  row.validate(causes, object, version, previous)
  if (causes.list.length > 0) throw invalid(row, object.metadata.name, causes.list)
}

/** A status write changes the status and nothing else. */
function statusOnly(current: ApiObject, { apiVersion, status }: ApiObject): ApiObject {
  return { ...structuredClone(current), apiVersion, status: structuredClone(status) }
}

function allButStatus(row: ResourceRow, current: ApiObject, wanted: ApiObject): ApiObject {
  const next = structuredClone(wanted)
  next.metadata = withServerFields(next, structuredClone(current.metadata))
  // Absent means unchanged; an explicit empty list resets the record.
  next.metadata.managedFields ??= structuredClone(current.metadata.managedFields ?? [])
  if (row.subresources.includes('status')) {
    delete next.status
    if (current.status !== undefined) next.status = structuredClone(current.status)
  }
  return next
}

/** The writer's metadata, except for the fields that only the server writes. */
function withServerFields({ metadata }: ApiObject, server: ApiObject['metadata'] | object): ApiObject['metadata'] {
  const theirs = Object.entries(metadata).filter(([field]) => !serverFields.includes(field))
  const ours = Object.entries(server).filter(([field]) => serverFields.includes(field))
  return Object.fromEntries([...theirs, ...ours]) as unknown as ApiObject['metadata']
}

/** The part of an object whose changes `metadata.generation` counts. */
function desired({ metadata: _, status: __, apiVersion: ___, ...rest }: ApiObject): unknown {
  return rest
}

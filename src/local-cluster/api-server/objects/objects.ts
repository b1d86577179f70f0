import { randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Clock } from '../../../lib/index.ts'
import { alreadyExists, badRequest, conflict, forbidden, invalid, notFound } from '../api-error.ts'
import { type ApiObject, isRecord, timestamp } from '../api-object.ts'
import { listKeysOf } from '../kinds/list-keys.ts'
import { randomSuffix } from '../kinds/pod-admission.ts'
import { apiVersionOf, keyOf, type ResourceRow } from '../kinds/resource-row.ts'
import { prune } from '../kinds/structural-schema.ts'
import { requireTexts, undecodable } from '../kinds/validate-metadata.ts'
import { applyConfiguration, type Manager, recordUpdate } from './field-managers.ts'
import type { Store } from './store.ts'

export interface ObjectRef {
  namespace?: string | undefined
  name: string
}

export interface WriteOptions {
  /** Version of the API that the writer speaks. Default: the preferred one. */
  version?: string
  /** Name under which the writer's fields are recorded. */
  manager: string
  /** Does everything but write. Default false. */
  dryRun?: boolean
  /** What an unknown field does: refuse the object, warn, or nothing. Default Warn. */
  validation?: 'Strict' | 'Warn' | 'Ignore'
  /** Write only the status. */
  subresource?: 'status' | undefined
  /** Hears of what is wrong but accepted. */
  warn?(text: string): void
}

export interface DeleteOptions {
  gracePeriodSeconds?: number
  propagationPolicy?: 'Orphan' | 'Background' | 'Foreground'
  preconditions?: { uid?: string; resourceVersion?: string }
  dryRun?: boolean
}

/**
 * What may happen to an object, whatever its kind: creation with defaults and validation, versioned updates, server-side apply, graceful
 * deletion with finalizers. Everything is synchronous, so that nothing comes between a check and its write. Throws ApiError.
 */
export interface Objects {
  get(row: ResourceRow, ref: ObjectRef): ApiObject
  create(row: ResourceRow, namespace: string | undefined, body: unknown, options: WriteOptions): ApiObject
  /** `change` gets a draft and gives back what the object shall be; a resourceVersion in it must be the current one. */
  update(row: ResourceRow, ref: ObjectRef, change: (draft: ApiObject) => unknown, options: WriteOptions): ApiObject
  /** Server-side apply; creates what is missing. */
  apply(row: ResourceRow, ref: ObjectRef, body: unknown, options: WriteOptions & { force: boolean }): ApiObject
  /** The object in its last state; `gone` is false while a grace period or a finalizer keeps it. */
  delete(row: ResourceRow, ref: ObjectRef, options: DeleteOptions): { object: ApiObject; gone: boolean }
}

export function createObjects({ store, clock }: { store: Store; clock: Clock }): Objects {
  const now = () => timestamp(clock.now())

  function get(row: ResourceRow, { namespace, name }: ObjectRef): ApiObject {
    const found = store.get(keyOf(row), namespace, name)
    if (found === undefined) throw notFound(row, name)
    return found
  }

  function create(row: ResourceRow, namespace: string | undefined, body: unknown, options: WriteOptions): ApiObject {
    const draft = parseBody(row, body, { namespace }, options)
    const { metadata } = draft
    if (metadata.resourceVersion) throw badRequest('resourceVersion should not be set on objects to be created')
    nameObject(row, metadata)
    requireNamespace(row, metadata.name, namespace)
    for (const field of [
      'selfLink',
      'generation',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'managedFields',
    ]) {
      delete (metadata as unknown as Record<string, unknown>)[field]
    }
    metadata.uid = randomUUID()
    metadata.creationTimestamp = now()
    if (row.generation) metadata.generation = 1
    if (row.subresources.includes('status')) delete draft['status']
    complete(row, draft, options)
    row.admit(draft, store)
    check(row, draft, undefined, options)
    if (store.get(keyOf(row), namespace, metadata.name) !== undefined) throw alreadyExists(row, metadata.name)
    const owned = recordUpdate(
      undefined,
      draft,
      managerOf(row, options, 'Update'),
      listKeysOf(row, versionOf(row, options)),
    )
    return options.dryRun ? owned : store.put(keyOf(row), owned)
  }

  function update(
    row: ResourceRow,
    ref: ObjectRef,
    change: (draft: ApiObject) => unknown,
    options: WriteOptions,
  ): ApiObject {
    const current = get(row, ref)
    const wanted = parseBody(row, change(structuredClone(current)), ref, options)
    const { resourceVersion, uid } = wanted.metadata
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
      const why = 'the object has been modified; please apply your changes to the latest version and try again'
      throw conflict(row, ref.name, why)
    }
    if (uid && uid !== current.metadata.uid) {
      throw conflict(
        row,
        ref.name,
        `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`,
      )
    }
    return replace(row, current, wanted, options, (next) =>
      recordUpdate(current, next, managerOf(row, options, 'Update'), listKeysOf(row, versionOf(row, options))),
    )
  }

  function apply(
    row: ResourceRow,
    ref: ObjectRef,
    body: unknown,
    options: WriteOptions & { force: boolean },
  ): ApiObject {
    const current = store.get(keyOf(row), ref.namespace, ref.name)
    const applied = parseBody(row, body, ref, options)
    reportUnknown(row, structuredClone(applied), options)
    const version = versionOf(row, options)
    const context = { writer: managerOf(row, options, 'Apply'), force: options.force, keysOf: listKeysOf(row, version) }
    if (applied.metadata.managedFields?.length) throw badRequest('metadata.managedFields must be nil')
    if (current !== undefined) {
      const merged = applyConfiguration(structuredClone(current), applied, context)
      return replace(row, current, merged, options, (next) => next)
    }
    const created = create(row, ref.namespace, applied, { ...options, dryRun: true })
    const blank = { ...created, metadata: { ...created.metadata, managedFields: [] } }
    const { metadata } = applyConfiguration(blank, applied, context)
    const owned = { ...created, metadata: { ...created.metadata, managedFields: metadata.managedFields ?? [] } }
    return options.dryRun ? owned : store.put(keyOf(row), owned)
  }

  /** Writes `wanted` over `current`, as far as the writer may, and removes an object whose last finalizer went. */
  function replace(
    row: ResourceRow,
    current: ApiObject,
    wanted: ApiObject,
    options: WriteOptions,
    record: (next: ApiObject) => ApiObject,
  ): ApiObject {
    const next = options.subresource === 'status' ? statusOnly(current, wanted) : keepServerFields(row, current, wanted)
    complete(row, next, options)
    check(row, next, current, options)
    if (isDeepStrictEqual(withoutManagers(next), withoutManagers(current))) {
      const sameManagers = isDeepStrictEqual(next.metadata.managedFields, current.metadata.managedFields)
      if (sameManagers) return current
    }
    if (row.generation && !isDeepStrictEqual(withoutStatus(next), withoutStatus(current))) {
      next.metadata.generation = (current.metadata.generation ?? 0) + 1
    }
    const recorded = record(next)
    if (options.dryRun) return recorded
    return isFinished(recorded) ? store.remove(keyOf(row), recorded) : store.put(keyOf(row), recorded)
  }

  function remove(row: ResourceRow, ref: ObjectRef, options: DeleteOptions): { object: ApiObject; gone: boolean } {
    const current = get(row, ref)
    const { uid, resourceVersion } = options.preconditions ?? {}
    if (uid !== undefined && uid !== current.metadata.uid) {
      const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`
      throw conflict(row, ref.name, why)
    }
    if (resourceVersion !== undefined && resourceVersion !== current.metadata.resourceVersion) {
      const why = `Precondition failed: ResourceVersion in precondition: ${resourceVersion}, ResourceVersion in object meta: ${current.metadata.resourceVersion}`
      throw conflict(row, ref.name, why)
    }
    if (options.dryRun) return { object: current, gone: true }
    const marked = markDeleted(row, current, options)
    if (options.propagationPolicy === 'Orphan') orphanDependents(current)
    if (isFinished(marked)) return { object: store.remove(keyOf(row), marked), gone: true }
    const unchanged = isDeepStrictEqual(marked, current)
    return { object: unchanged ? current : store.put(keyOf(row), marked), gone: false }
  }

  function markDeleted(row: ResourceRow, current: ApiObject, options: DeleteOptions): ApiObject {
    const marked = structuredClone(current)
    const { metadata } = marked
    const grace = gracePeriod(row, current, options)
    const before = metadata.deletionGracePeriodSeconds
    // A second deletion can only make the wait shorter.
    if (metadata.deletionTimestamp === undefined || (before !== undefined && grace < before)) {
      metadata.deletionTimestamp = timestamp(clock.now() + grace * 1000)
      metadata.deletionGracePeriodSeconds = grace
      if (row.generation) metadata.generation = (metadata.generation ?? 0) + 1
    }
    if (options.propagationPolicy === 'Foreground' && current.metadata.deletionTimestamp === undefined) {
      metadata.finalizers = [...new Set([...(metadata.finalizers ?? []), 'foregroundDeletion'])]
    }
    if (row.group === '' && row.kind === 'Namespace') marked['status'] = { phase: 'Terminating' }
    return marked
  }

  function orphanDependents(owner: ApiObject): void {
    for (const { resource, object } of store.all()) {
      const { ownerReferences = [] } = object.metadata
      if (!ownerReferences.some(({ uid }) => uid === owner.metadata.uid)) continue
      const remaining = ownerReferences.filter(({ uid }) => uid !== owner.metadata.uid)
      store.put(resource, { ...object, metadata: { ...object.metadata, ownerReferences: remaining } })
    }
  }

  function requireNamespace(row: ResourceRow, name: string, namespace: string | undefined): void {
    if (!row.namespaced) return
    const found = store.get('namespaces', undefined, namespace ?? '')
    if (found === undefined) throw notFound({ group: '', kind: 'Namespace', plural: 'namespaces' }, namespace ?? '')
    if (found.metadata.deletionTimestamp === undefined) return
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`
    throw forbidden(row, name, why)
  }

  function managerOf(row: ResourceRow, options: WriteOptions, operation: Manager['operation']): Manager {
    return {
      manager: options.manager,
      operation,
      apiVersion: apiVersionOf(row.group, versionOf(row, options)),
      time: now(),
      ...(options.subresource === undefined ? {} : { subresource: options.subresource }),
    }
  }

  return { get, create, update, apply, delete: remove }
}

function versionOf(row: ResourceRow, { version }: WriteOptions): string {
  return version ?? row.versions[0] ?? ''
}

/** The object of a request, if it is one of this kind and of this name. */
function parseBody(
  row: ResourceRow,
  body: unknown,
  { namespace, name }: { namespace?: string | undefined; name?: string },
  options: WriteOptions,
): ApiObject {
  if (!isRecord(body)) throw badRequest('the object provided is unrecognized (must be of type object)')
  const apiVersion = apiVersionOf(row.group, versionOf(row, options))
  const draft = { apiVersion, kind: row.kind, ...body } as ApiObject
  draft.metadata = { ...draft.metadata }
  const { metadata } = draft
  if (draft.kind !== row.kind || !sameGroup(String(draft.apiVersion), row)) {
    const found = `${draft.apiVersion}, Kind=${draft.kind}`
    throw badRequest(`the object provided is unrecognized: found ${found}, expected ${apiVersion}, Kind=${row.kind}`)
  }
  draft.apiVersion = apiVersion
  if (row.namespaced && metadata.namespace && metadata.namespace !== namespace) {
    throw badRequest(`the namespace of the provided object does not match the namespace sent on the request`)
  }
  if (row.namespaced && namespace !== undefined) metadata.namespace = namespace
  else delete metadata.namespace
  if (name !== undefined && metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(`the name of the object (${metadata.name}) does not match the name on the URL (${name})`)
  }
  if (name !== undefined) metadata.name = name
  requireTexts(draft, 'ObjectMeta.metadata.labels', metadata.labels)
  requireTexts(draft, 'ObjectMeta.metadata.annotations', metadata.annotations)
  return draft
}

function sameGroup(apiVersion: string, row: ResourceRow): boolean {
  return row.versions.some((version) => apiVersionOf(row.group, version) === apiVersion)
}

function nameObject(row: ResourceRow, metadata: ApiObject['metadata']): void {
  if (metadata.name) return
  if (!metadata.generateName) {
    const message = 'Required value: name or generateName is required'
    throw invalid(row, '', [{ reason: 'FieldValueRequired', field: 'metadata.name', message }])
  }
  metadata.name = `${metadata.generateName.slice(0, 58)}${randomSuffix()}`
}

/** Prunes and defaults a draft. */
function complete(row: ResourceRow, draft: ApiObject, options: WriteOptions): void {
  reportUnknown(row, draft, options)
  row.prepare(draft, versionOf(row, options))
}

function reportUnknown(row: ResourceRow, draft: ApiObject, options: WriteOptions): void {
  const unknown = prune(row.schema(versionOf(row, options)), draft).map((path) => `unknown field "${path}"`)
  if (unknown.length === 0 || options.validation === 'Ignore') return
  if (options.validation === 'Strict') throw undecodable(draft, `strict decoding error: ${unknown.join(', ')}`)
  for (const text of unknown) options.warn?.(text)
}

function check(row: ResourceRow, object: ApiObject, previous: ApiObject | undefined, options: WriteOptions): void {
  const problems = row.validate(object, versionOf(row, options), previous)
  if (problems.length > 0) throw invalid(row, object.metadata.name, problems)
}

/** A status write changes the status and nothing else. */
function statusOnly(current: ApiObject, wanted: ApiObject): ApiObject {
  const next = structuredClone(current)
  next.apiVersion = wanted.apiVersion
  next['status'] = wanted['status']
  return next
}

function keepServerFields(row: ResourceRow, current: ApiObject, wanted: ApiObject): ApiObject {
  const next = structuredClone(wanted)
  const kept = [
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
  ]
  const metadata = next.metadata as unknown as Record<string, unknown>
  for (const field of kept) {
    const value = current.metadata[field as keyof ApiObject['metadata']]
    if (value === undefined) delete metadata[field]
    else metadata[field] = value
  }
  // A writer that sends none leaves the record as it is; an explicit empty list resets it.
  next.metadata.managedFields ??= structuredClone(current.metadata.managedFields ?? [])
  if (row.subresources.includes('status')) {
    if (current['status'] === undefined) delete next['status']
    else next['status'] = structuredClone(current['status'])
  }
  return next
}

function withoutManagers(object: ApiObject): unknown {
  const { managedFields: _, ...metadata } = object.metadata
  return { ...object, apiVersion: '', metadata }
}

function withoutStatus({ metadata: _, status: __, apiVersion: ___, ...rest }: ApiObject): unknown {
  return rest
}

/** Marked for deletion with nothing left to wait for. */
function isFinished({ kind, metadata, spec }: ApiObject): boolean {
  if (metadata.deletionTimestamp === undefined || (metadata.finalizers ?? []).length > 0) return false
  if ((metadata.deletionGracePeriodSeconds ?? 0) > 0) return false
  // A namespace ends when the controller has emptied it and taken this finalizer away.
  return !(kind === 'Namespace' && isRecord(spec) && Array.isArray(spec['finalizers']) && spec['finalizers'].length > 0)
}

/** Only a pod that runs on a node is given time. */
function gracePeriod(row: ResourceRow, object: ApiObject, options: DeleteOptions): number {
  if (row.group !== '' || row.kind !== 'Pod') return 0
  const spec = isRecord(object['spec']) ? object['spec'] : {}
  const status = isRecord(object['status']) ? object['status'] : {}
  if (!spec['nodeName'] || status['phase'] === 'Succeeded' || status['phase'] === 'Failed') return 0
  const wanted = options.gracePeriodSeconds ?? spec['terminationGracePeriodSeconds']
  return typeof wanted === 'number' ? Math.max(wanted, 0) : 30
}

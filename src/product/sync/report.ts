import {
  isConflict,
  isNotFound,
  resources,
  type SecretProviderClass,
  type SecretSync,
  type SecretSyncStatus,
  syncAnnotations,
} from '#kubernetes/client'
import type { StaleContent } from '#kubernetes/provider-protocol'
import { orUndefined, timestamp } from '#lib'
import { parseJson, textsOf } from '#lib/formats'
import { failureConditions, initialConditions, staleText, successConditions } from './conditions.ts'
import type { Run } from './reconciler.ts'
import type { SyncError } from './sync-error.ts'
import { type SecretData, syncHash } from './sync-hash.ts'

/** Before the first attempt. */
export async function reportStarting(run: Run): Promise<void> {
  const { reconciler, wanted, sync } = run
  if (wanted.fromClass || (sync.status?.conditions?.length ?? 0) >= 2) return
  await writeStatus(run, { ...sync.status, conditions: initialConditions(sync, reconciler.clock.now()) })
}

export interface Outcome {
  secretClass: SecretProviderClass
  data: SecretData
  /** Keys that are left out because their objects are optional and not in the vault. */
  absent: readonly string[]
  versions: Readonly<Record<string, string>>
  stale: StaleContent | undefined
  /** Resource version of the Secret. */
  version: string
  /** Where it was computed already. */
  hash: string | undefined
}

/** Nothing is written when nothing changed. */
export async function reportSuccess(run: Run, outcome: Outcome): Promise<void> {
  if (run.wanted.fromClass) return reportForClass(run, outcome)
  const { sync, reconciler } = run
  const conditions = successConditions(sync, reconciler.clock.now(), {
    note: absentNote(outcome.absent),
    stale: outcome.stale,
  })
  const isReported = JSON.stringify(conditions) === JSON.stringify(sync.status?.conditions)
  const writtenFor = writtenForOf(sync, outcome)
  const isSame = annotation(sync, 'writtenFor') === writtenFor
  const before = sync.status?.syncHash
  const isHashed = isSame && before !== undefined
  const staleSince = outcome.stale === undefined ? undefined : timestamp(outcome.stale.since)
  const isSameStale = annotation(sync, 'staleSince') === staleSince
  if (isHashed && isReported && isSameStale) return
  const hash = isHashed ? before : await hashOf(run, outcome)
  const isNew = !isSame && (hash === undefined || hash !== before)
  const now = timestamp(reconciler.clock.now())
  const lastSuccessfulSyncTime = isNew ? now : (sync.status?.lastSuccessfulSyncTime ?? now)
  if (hash !== before || !isReported)
    await writeStatus(run, { conditions, lastSuccessfulSyncTime, syncHash: hash ?? null })
  const versions = JSON.stringify(outcome.versions)
  const stale = isSameStale ? {} : { staleSince: staleSince ?? null }
  await Promise.all([
    isSame && isReported && isSameStale
      ? undefined
      : annotate(run, { lastFailure: null, ...(isNew ? { lastChange: now } : {}), versions, writtenFor, ...stale }),
    isNew ? recordWritten(run, outcome) : undefined,
    isSameStale || outcome.stale === undefined ? undefined : recordStale(run, outcome.stale),
  ])
}

/** Undefined while many others wait and there is a next check: the hash is most of the work, and nothing depends on it. */
async function hashOf(run: Run, { hash, secretClass, data }: Outcome): Promise<string | undefined> {
  const { reconciler, key, sync } = run
  if (hash !== undefined) return hash
  if (reconciler.isBusy() && reconciler.nextCheck(key) !== undefined) return undefined
  return syncHash(sync, secretClass, data)
}

/** A class has no status: its events name what was written. */
async function reportForClass(run: Run, outcome: Outcome): Promise<void> {
  const { reconciler, key } = run
  if (reconciler.written.get(key) === outcome.version) return
  reconciler.written.set(key, outcome.version)
  await recordWritten(run, outcome)
}

async function recordWritten({ reconciler, key, wanted, sync }: Run, { data, absent }: Outcome): Promise<void> {
  const { events, log } = reconciler
  const keys = [...data.keys()]
  log.info({ secretSync: key, keys }, 'wrote the Secret')
  const text = `wrote Secret "${sync.metadata.name}" with ${keys.join(', ')}${absentNote(absent)}`
  await events.record(wanted.about, 'Normal', 'Synced', text)
}

async function recordStale({ reconciler, key, wanted }: Run, stale: StaleContent): Promise<void> {
  const { events, log } = reconciler
  const text = staleText(stale)
  log.warn({ secretSync: key }, text)
  await events.record(wanted.about, 'Warning', 'SyncedStale', text)
}

function absentNote(absent: readonly string[]): string {
  return absent.length === 0 ? '' : ` Left out, because optional and not in the vault: ${absent.join(', ')}.`
}

export async function reportFailure(run: Run, failure: SyncError): Promise<void> {
  const { reconciler, key, wanted, sync, signal } = run
  const { clock, events, log } = reconciler
  if (isGone(failure.cause)) return
  log.warn({ secretSync: key, reason: failure.code }, failure.message)
  try {
    const conditions = failureConditions(sync, clock.now(), failure)
    if (!wanted.fromClass && JSON.stringify(conditions) !== JSON.stringify(sync.status?.conditions)) {
      await writeStatus(run, { ...sync.status, conditions })
      await annotate(run, { lastFailure: timestamp(clock.now()) })
    }
    await events.record(wanted.about, 'Warning', failure.code, failure.message)
  } catch (error) {
    signal.throwIfAborted()
    // The next try reports it.
    if (!isGone(error)) log.warn({ secretSync: key, err: error }, 'the status could not be written')
  }
}

/** The SecretSync is deleted, or another one has its name: that one gets a status of its own. */
function isGone(error: unknown): boolean {
  return error instanceof StatusRefused
}

class StatusRefused extends Error {}

async function writeStatus(run: Run, status: StatusPatch): Promise<void> {
  await patch(run, { status }, 'status')
}

type Annotations = Partial<Record<keyof typeof syncAnnotations, string | null>>

/** The time of the last check is written with what it found. */
async function annotate(run: Run, annotations: Annotations): Promise<void> {
  const { reconciler, key } = run
  const next = reconciler.nextCheck(key)
  const all: Annotations = {
    ...annotations,
    lastCheck: timestamp(reconciler.clock.now()),
    ...(next === undefined ? {} : { nextCheck: timestamp(next) }),
  }
  const named = Object.entries(all).map(([name, value]) => [syncAnnotations[name as keyof Annotations], value])
  await patch(run, { metadata: { annotations: Object.fromEntries(named) } })
}

/** The uid is a precondition: a SecretSync that was made again in between has a status of its own. */
async function patch(run: Run, change: Change, subresource?: 'status'): Promise<void> {
  const { reconciler, sync, signal } = run
  const { name = '', namespace = '', uid = '' } = sync.metadata
  const body = { ...change, metadata: { ...change.metadata, uid } }
  try {
    run.sync = await reconciler.kube.patch(resources.secretSyncs, { name, namespace }, body, { subresource, signal })
    reconciler.reported.set(uid, run.sync)
  } catch (error) {
    if (isNotFound(error) || isConflict(error)) throw new StatusRefused('the SecretSync is gone', { cause: error })
    throw error
  }
}

/** Null removes the hash of an earlier content. */
type StatusPatch = Omit<SecretSyncStatus, 'syncHash'> & { syncHash?: string | null }

interface Change {
  metadata?: { annotations: Record<string, string | null> }
  status?: StatusPatch
}

/** Equal only if the Secret, and what it is made for, are still the same. */
function writtenForOf({ metadata }: SecretSync, { secretClass, version }: Outcome): string {
  const { uid, generation } = secretClass.metadata
  return `secret ${version}, class ${uid} ${generation ?? 0}, generation ${metadata.generation ?? 0}`
}

function annotation({ metadata }: SecretSync, name: keyof typeof syncAnnotations): string | undefined {
  return metadata.annotations?.[syncAnnotations[name]]
}

/** In milliseconds since the epoch; undefined for fresh values. */
export function staleSinceOf(sync: SecretSync): number | undefined {
  const ms = Date.parse(annotation(sync, 'staleSince') ?? '')
  return Number.isNaN(ms) ? undefined : ms
}

export function versionsOf(sync: SecretSync): Record<string, string> {
  return orUndefined(() => textsOf(parseJson('the annotation', annotation(sync, 'versions') ?? '{}'))) ?? {}
}

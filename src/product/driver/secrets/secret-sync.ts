import { type OwnerReference, type SecretObject, versionHash } from '#kubernetes/client'
import { mountedFiles, mountedPaths } from '#kubernetes/volume-files'
import { beyondLimit, errorMessage, type Running } from '#lib'
import { classKey } from '../content/class-ref.ts'
import { driverSecrets, isSyncedWithoutPod } from '../content/driver-secrets.ts'
import { currentClass, isClassMissing } from '../content/read-class.ts'
import { driverLimits } from '../driver-limits.ts'
import { classOf, logKeys, podReference, type Volume } from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { dueNow } from '../pod-status.ts'
import { type ClassVolumes, classVolumes } from './class-volumes.ts'
import { removeUnnamed } from './remove-unnamed.ts'
import { secretOwners } from './secret-owners.ts'
import { writeSecret } from './secret-writer.ts'
import { nameOf, refuseTooManyRows, type SourceFiles, sourcePaths, wantedSecret } from './wanted-secret.ts'

interface SyncOptions {
  group: ClassVolumes
  secretObjects: readonly SecretObject[]
  /** See {@link SecretTarget.takeOver}. */
  takeOver: boolean
  signal: AbortSignal
}

/** Longest time between two comparisons of Secrets with their volumes: a deleted Secret is missing for at most so long. */
const maxResyncMs = 300_000

/** Volumes of a class rotate in one burst; their Secrets are written once it is over. */
const gatherMs = 100

/** Mirrors the content of volumes into Kubernetes Secrets where their classes ask for it (`secretObjects`). */
export function startSecretSync(node: Node): Running {
  const { clock, config, secretSync } = node
  const resyncMs = config.rotation ? Math.min(config.rotationIntervalMs, maxResyncMs) : maxResyncMs
  const resync = () => {
    enqueueAll(node)
    secretSync.cancelResync = clock.after(resyncMs, resync)
  }
  secretSync.cancelResync = clock.after(resyncMs, resync)
  return {
    async stop() {
      secretSync.cancelGather()
      secretSync.cancelResync()
      secretSync.stopping.abort(new Error('the driver stops'))
      await Promise.all(secretSync.work)
    },
  }
}

/** Before a pod starts: its environment may come from these Secrets. What fails is reported in events; rejects only on abort. */
export async function syncBeforeStart(
  node: Node,
  volume: Volume,
  secretObjects: readonly SecretObject[],
  signal: AbortSignal,
): Promise<void> {
  if (secretObjects.length === 0) return
  node.secretSync.owners.delete(volume.target)
  try {
    await syncSecrets(node, { group: classVolumes(volume), secretObjects, takeOver: true, signal })
  } catch (error) {
    signal.throwIfAborted()
    await report(node, volume, error)
  }
}

/** After a rotation, or an edit of the class: soon, once for all volumes of the class. */
export function syncSoon(node: Node, volume: Volume): void {
  const { secretSync, clock } = node
  if (secretSync.gathering === undefined) {
    const gathering = new Set<string>()
    secretSync.gathering = gathering
    secretSync.cancelGather = clock.after(gatherMs, () => {
      secretSync.gathering = undefined
      enqueue(node, gathering)
    })
  }
  secretSync.gathering.add(keyOf(volume))
}

function enqueueAll(node: Node): void {
  const { owners } = node.secretSync
  const present = new Set(node.volumes.all().map(({ target }) => target))
  for (const target of owners.keys()) if (!present.has(target)) owners.delete(target)
  enqueue(node, new Set(node.volumes.all().map(keyOf)))
}

function enqueue(node: Node, keys: Iterable<string>): void {
  const { gate, waiting, work, stopping } = node.secretSync
  for (const key of keys) {
    if (waiting.has(key)) continue
    waiting.add(key)
    const sync = gate
      .run(namespaceOf(key), () => syncClass(node, key), stopping.signal)
      .catch(() => {})
      .finally(() => {
        waiting.delete(key)
        work.delete(sync)
      })
    work.add(sync)
  }
}

/** Never rejects: what fails is reported. */
async function syncClass(node: Node, key: string): Promise<void> {
  const { waiting, stopping } = node.secretSync
  const { signal } = stopping
  // From here on a change needs another sync.
  waiting.delete(key)
  const [one, ...others] = node.volumes.all().filter((volume) => keyOf(volume) === key)
  const group = one && classVolumes(one, others)
  if (group === undefined) return
  try {
    const secretObjects = await secretObjectsOf(node, group, signal)
    // The sync controller makes them: nothing of theirs is written or removed here.
    if (secretObjects === undefined) return
    await syncSecrets(node, { group, secretObjects, takeOver: false, signal })
    await removeUnnamed(node, group, secretObjects, signal)
  } catch (error) {
    if (!signal.aborted) await report(node, group.newest, error)
  }
}

/** A class that was deleted asks for nothing; undefined for one whose Secrets the sync controller makes. */
async function secretObjectsOf(
  node: Node,
  { namespace, className }: ClassVolumes,
  signal: AbortSignal,
): Promise<readonly SecretObject[] | undefined> {
  try {
    const object = await currentClass(node, { namespace, name: className }, signal)
    return isSyncedWithoutPod(object) ? undefined : driverSecrets(object)
  } catch (error) {
    if (isClassMissing(error)) return []
    throw error
  }
}

async function syncSecrets(node: Node, { group, secretObjects, takeOver, signal }: SyncOptions): Promise<void> {
  if (secretObjects.length === 0) return
  const { secretObjects: limit } = driverLimits
  if (secretObjects.length > limit.value) throw new Error(beyondLimit(limit, secretObjects.length))
  const owned = await Promise.all(
    group.volumes.map(async (volume) => ({ volume, owners: await secretOwners(node, volume, signal) })),
  )
  const proven = owned.filter(({ owners }) => owners.length > 0)
  const source = proven[0]?.volume
  if (source === undefined) return
  // All at once: a rotation between two reads would mix two versions.
  const paths = mountedPaths(source.target)
  refuseTooManyRows(secretObjects, paths)
  const files = { paths, contents: mountedFiles(source.target, sourcePaths(secretObjects, paths)) }
  const owners = [...new Map(proven.flatMap((one) => one.owners).map((owner) => [owner.uid, owner])).values()]
  const run: EntryRun = { node, group, source, files, owners, takeOver, signal }
  let complete = true
  for (const index of secretObjects.keys()) complete = (await syncEntry(run, secretObjects, index)) && complete
  if (complete) recordMirrored(node, group, source)
}

/** The status objects record which versions the Secrets carry: their next write is due now. */
function recordMirrored(node: Node, group: ClassVolumes, source: Volume): void {
  const mirroredFor = versionHash(source.className, source.versions)
  for (const { target } of group.volumes) {
    const volume = node.volumes.get(target)
    if (volume === undefined || volume.mirroredFor === mirroredFor) continue
    if (versionHash(volume.className, volume.versions) !== mirroredFor) continue
    node.volumes.update(target, { mirroredFor, status: dueNow(node, volume) })
  }
}

interface EntryRun {
  node: Node
  group: ClassVolumes
  /** The volume whose files are mirrored. */
  source: Volume
  files: SourceFiles
  owners: readonly OwnerReference[]
  takeOver: boolean
  signal: AbortSignal
}

/** One entry; what is wrong with it is reported and keeps no other entry from its Secret. Whether its Secret is up to date. */
async function syncEntry(run: EntryRun, secretObjects: readonly SecretObject[], index: number): Promise<boolean> {
  const { node, source, signal } = run
  const startedAt = node.clock.elapsed()
  try {
    const name = await writeEntry(run, secretObjects, index)
    if (name === undefined) return true
    node.metrics.secretSync(source.provider, (node.clock.elapsed() - startedAt) / 1000)
    node.log.info({ ...logKeys(source), secret: name }, 'wrote the Secret')
    return true
  } catch (error) {
    signal.throwIfAborted()
    node.metrics.secretSyncError(source.provider)
    await report(node, source, error)
    return false
  }
}

/** The name of the Secret if it was written; undefined if there was nothing to write. */
async function writeEntry(
  { node, group, files, owners, takeOver, signal }: EntryRun,
  secretObjects: readonly SecretObject[],
  index: number,
): Promise<string | undefined> {
  refuseDouble(secretObjects, index)
  const { namespace, className } = group
  const wanted = await wantedSecret(secretObjects[index] ?? {}, files, (key, contents) =>
    node.tls.value(key, contents, { owner: namespace, signal }),
  )
  const target = { namespace, className, wanted, owners, takeOver }
  const write = () => writeSecret(node, target, signal)
  const outcome = await node.secretSync.lock.run(`${namespace}/${wanted.name}`, write)
  return outcome === 'written' ? wanted.name : undefined
}

/** Two entries of one name would write the Secret in turn for ever, each without the other's keys. */
function refuseDouble(secretObjects: readonly SecretObject[], index: number): void {
  const name = nameOf(secretObjects[index] ?? {})
  const same = [...secretObjects.keys()].filter((other) => nameOf(secretObjects[other] ?? {}) === name)
  if (name === '' || same.length === 1) return
  const entries = same.map((other) => `secretObjects[${other}]`).join(' and ')
  throw new Error(`Secret "${name}": ${entries} have the same secretName; put all keys into one entry`)
}

async function report({ events, log }: Node, volume: Volume, error: unknown): Promise<void> {
  const text = errorMessage(error)
  log.error(logKeys(volume), `a Secret was not written: ${text}`)
  await events.record(podReference(volume), 'Warning', 'FailedToCreateSecret', text)
}

function namespaceOf(key: string): string {
  return key.split('/', 1)[0] ?? ''
}

function keyOf(volume: Volume): string {
  return classKey(classOf(volume))
}

import {
  type ClassChange,
  classAnnotations,
  everyObject,
  follow,
  resources,
  type SecretProviderClass,
} from '#kubernetes/client'
import type { Running } from '#lib'
import { type ClassRef, classKey } from '../content/class-ref.ts'
import { changeOf } from '../content/mount-class.ts'
import { currentClass } from '../content/read-class.ts'
import { driverLimits } from '../driver-limits.ts'
import { classOf, type SeenClass, type Volume } from '../mount/volumes.ts'
import type { Node, WatchedClass } from '../node.ts'
import { everythingChanged, isNewChange, withChange } from './pending-change.ts'

/** A change makes every node ask the vault at once; they spread over this time. */
const spreadMs = 2000
/** Between the checks of a class for what is written to it: a user who may edit it can write many values in a second. */
const betweenMs = driverLimits.classCheckInterval.value

/**
 * Follows the classes of the volumes that are mounted here, one watch per class, and nothing else: what a node costs the API
 * server depends on its own volumes. A class that was edited, or whose rotate annotation got a new value, makes its volumes
 * due at once; one that reports a change in the vault, within the time that it names.
 */
export function watchClasses(node: Node): Running {
  const { watchedClasses } = node
  const ending = new Set<Promise<void>>()
  let stopped = false
  const reconcile = () => {
    if (!stopped) followMounted(node, ending)
  }
  node.volumes.onChange(reconcile)
  reconcile()
  return {
    async stop() {
      stopped = true
      const all = [...watchedClasses.values()].map((watched) => watched.stop())
      watchedClasses.clear()
      await Promise.all([...all, ...ending])
    },
  }
}

/** Begins the watches that are missing, and ends those that no volume needs any more. */
function followMounted(node: Node, ending: Set<Promise<void>>): void {
  const { volumes, watchedClasses } = node
  const wanted = new Map(volumes.all().map((volume) => [classKey(classOf(volume)), classOf(volume)]))
  for (const [key, ref] of wanted) {
    if (!watchedClasses.has(key)) watchedClasses.set(key, followClass(node, ref))
  }
  for (const [key, watched] of watchedClasses) {
    if (wanted.has(key)) continue
    watchedClasses.delete(key)
    const end = watched.stop().finally(() => ending.delete(end))
    ending.add(end)
  }
}

/** Of its metadata alone, which shows whether it has changed: a watch keeps its last event in memory. */
function followClass(node: Node, { namespace, name }: ClassRef): WatchedClass {
  const { kube, clock, log } = node
  const requestedAt = clock.elapsed()
  const stopping = new AbortController()
  const stop = () => {
    stopping.abort(new Error('the class is watched no more'))
    return running.stop()
  }
  const watched: WatchedClass = {
    metadata: undefined,
    held: undefined,
    requestedAt,
    checkedAt: Number.NEGATIVE_INFINITY,
    change: undefined,
    stop,
  }
  const see = (metadata: Metadata | undefined, { listed }: { listed: boolean }) => {
    if (metadata !== undefined && isNewRequest(watched.metadata, metadata)) watched.requestedAt = clock.elapsed()
    if (metadata?.resourceVersion !== watched.held?.metadata.resourceVersion) watched.held = undefined
    watched.metadata = metadata
    if (metadata === undefined) return
    wakeVolumes(node, watched, { namespace, name }, metadata)
    seeChange(node, watched, { namespace, name }, { metadata, listed })
    // The next check finds it; one that fails reads it again.
    if (watched.held === undefined) currentClass(node, { namespace, name }, stopping.signal).catch(() => undefined)
  }
  const running = follow(
    kube,
    resources.secretProviderClasses,
    { namespace, fieldSelector: `metadata.name=${name}`, metadataOnly: true, clock, log },
    {
      onList: ([object]) => see(object?.metadata, { listed: true }),
      onChange: (type, { metadata }) => see(type === 'DELETED' ? undefined : metadata, { listed: false }),
    },
  )
  return watched
}

type Metadata = SecretProviderClass['metadata']

function wakeVolumes(node: Node, watched: WatchedClass, ref: ClassRef, metadata: Metadata): void {
  const { volumes, log } = node
  const stale = volumes
    .all()
    .filter((volume) => classKey(classOf(volume)) === classKey(ref) && isStale(volume.seenClass, { metadata }))
  if (stale.length === 0) return
  // The same moment for all volumes of the class: their reads are shared.
  const at = checkDue(node, watched, spreadMs)
  log.info({ class: classKey(ref), volumes: stale.length }, 'the class asks for a rotation now')
  for (const volume of stale) volumes.update(volume.target, wokenFor(volume, at))
}

/** When a class that asks for a check now gets it. What it asks for until then is part of that check, so the last value counts. */
function checkDue({ clock }: Node, { checkedAt }: WatchedClass, withinMs: number): number {
  return Math.max(clock.elapsed() + Math.random() * withinMs, checkedAt + betweenMs)
}

/**
 * Volumes that have not been read for the change become due at a random moment of its spread. A list may have passed over earlier
 * changes, whose objects are not known.
 */
function seeChange(
  node: Node,
  watched: WatchedClass,
  ref: ClassRef,
  { metadata, listed }: { metadata: Metadata; listed: boolean },
): void {
  const { volumes, clock, log } = node
  const change = changeOf({ metadata })
  if (change === undefined) return
  if (watched.change?.id !== change.id) watched.change = { id: change.id, seenAt: clock.elapsed() }
  const isBehind = (volume: Volume) => classKey(classOf(volume)) === classKey(ref) && isNewChange(volume, change)
  const behind = volumes.all().filter(isBehind)
  if (behind.length === 0) return
  const seen = listed ? everythingChanged(change) : change
  const at = readDue(node, watched, ref, { change, behind })
  log.info({ class: classKey(ref), volumes: behind.length }, 'the class reports a change in the vault')
  for (const volume of behind)
    volumes.update(volume.target, { ...wokenFor(volume, at), change: withChange(volume.change, seen) })
}

/**
 * A random moment of the spread for which no sign-in is needed; otherwise one of the spread for sign-ins. A sign-in serves all classes of the
 * namespace that change until then, so that a node whose twenty classes change does not sign in at the first of twenty random moments. Not
 * those of other namespaces: a tenant may write any spread into a class.
 */
function readDue(
  node: Node,
  watched: WatchedClass,
  { namespace }: ClassRef,
  { change, behind }: { change: ClassChange; behind: readonly Volume[] },
): number {
  const { clock, heldTokens, signIns } = node
  const due = checkDue(node, watched, change.spreadSeconds * 1000)
  if (behind.every(({ tokenOf = '' }) => (heldTokens.get(tokenOf) ?? 0) > due)) return due
  const now = clock.elapsed()
  const spreadMs = change.signInSpreadSeconds * 1000
  for (const [other, at] of signIns) if (at <= now) signIns.delete(other)
  const chosen = signIns.get(namespace)
  const at = chosen !== undefined && chosen <= now + spreadMs ? chosen : now + Math.random() * spreadMs
  signIns.set(namespace, at)
  return Math.max(at, watched.checkedAt + betweenMs)
}

/** Longer than a provider shares what it has read. */
const settledMs = 15_000

/**
 * What a new volume has to read: everything, until the class's change has been known here for longer than a provider shares what it
 * has read. The volume counts as read for the change, so it must not get what was read before.
 */
export function changedForNewVolume(
  { config, watchedClasses, clock }: Node,
  object: SecretProviderClass,
): readonly string[] | undefined {
  const { namespace = '', name = '' } = object.metadata
  const change = changeOf(object)
  if (change === undefined || !config.rotation) return undefined
  const known = watchedClasses.get(classKey({ namespace, name }))?.change
  const isSettled = known?.id === change.id && clock.elapsed() - known.seenAt > settledMs
  return isSettled ? undefined : [everyObject]
}

/** Makes a new or recovered volume due when its class has changed before the watch knew the volume. */
export function catchUp(node: Node, volume: Volume): void {
  const { watchedClasses, volumes } = node
  const watched = watchedClasses.get(classKey(classOf(volume)))
  const metadata = watched?.metadata
  if (watched === undefined || metadata === undefined) return
  const change = changeOf({ metadata })
  const isMissed = change !== undefined && isNewChange(volume, change)
  if (!isMissed && !isStale(volume.seenClass, { metadata })) return
  volumes.update(volume.target, {
    ...wokenFor(volume, checkDue(node, watched, 0)),
    change: isMissed ? withChange(volume.change, everythingChanged(change)) : volume.change,
  })
}

/** A volume that is due at this time; if it is being checked, it is checked once more then. */
function wokenFor({ nextCheckAt, wokenAt }: Volume, at: number): Pick<Volume, 'nextCheckAt' | 'wokenAt'> {
  return { nextCheckAt: Math.min(nextCheckAt, at), wokenAt: Math.min(wokenAt, at) }
}

/** Whether a class asks for a rotation that its last version did not ask for. */
function isNewRequest(before: Metadata | undefined, metadata: Metadata): boolean {
  if (before === undefined || before.generation !== metadata.generation) return true
  return before.annotations?.[classAnnotations.rotate] !== metadata.annotations?.[classAnnotations.rotate]
}

/** Whether a volume was last filled from another version of the class. */
export function isStale(
  { generation, rotateRequest }: SeenClass,
  { metadata }: Pick<SecretProviderClass, 'metadata'>,
): boolean {
  const isEdited = generation !== undefined && generation !== metadata.generation
  return isEdited || rotateRequest !== metadata.annotations?.[classAnnotations.rotate]
}

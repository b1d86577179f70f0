import { classAnnotations, follow, resources, type SecretProviderClass } from '#kubernetes/client'
import type { Running } from '#lib'
import { type ClassRef, classKey } from '../content/class-ref.ts'
import { driverLimits } from '../driver-limits.ts'
import { classOf, type SeenClass } from '../mount/volumes.ts'
import type { Node, WatchedClass } from '../node.ts'

/** A change makes every node ask the vault at once; they spread over this time. */
const spreadMs = 2000

/**
 * Follows the classes of the volumes that are mounted here, one watch per class, and nothing else: what a node costs the API
 * server depends on its own volumes. A class that was edited, or whose rotate annotation got a new value, makes its volumes
 * due at once.
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

function followClass(node: Node, { namespace, name }: ClassRef): WatchedClass {
  const { kube, clock, log } = node
  const watched: WatchedClass = { current: undefined, requestedAt: clock.elapsed(), stop: () => running.stop() }
  const see = (object: SecretProviderClass | undefined) => {
    if (object !== undefined && isNewRequest(watched.current, object)) watched.requestedAt = clock.elapsed()
    watched.current = object === undefined || isLarge(object) ? undefined : object
    if (object !== undefined) wakeVolumes(node, { namespace, name }, object)
  }
  const running = follow(
    kube,
    resources.secretProviderClasses,
    { namespace, fieldSelector: `metadata.name=${name}`, clock, log },
    {
      onList: ([object]) => see(object),
      onChange: (type, object) => see(type === 'DELETED' ? undefined : object),
    },
  )
  return watched
}

/** Its author decides how large it is, for each of the classes that are mounted. */
function isLarge(object: SecretProviderClass): boolean {
  return JSON.stringify(object).length > driverLimits.heldClass.value
}

function wakeVolumes({ volumes, clock, log }: Node, ref: ClassRef, object: SecretProviderClass): void {
  const stale = volumes
    .all()
    .filter((volume) => classKey(classOf(volume)) === classKey(ref) && isStale(volume.seenClass, object))
  if (stale.length === 0) return
  // The same moment for all volumes of the class: their reads are shared.
  const at = clock.elapsed() + Math.random() * spreadMs
  log.info({ class: classKey(ref), volumes: stale.length }, 'the class asks for a rotation now')
  for (const { target, nextCheckAt } of stale) volumes.update(target, { nextCheckAt: Math.min(nextCheckAt, at) })
}

/** Whether a class asks for a rotation that its last version did not ask for. */
function isNewRequest(before: SecretProviderClass | undefined, { metadata }: SecretProviderClass): boolean {
  if (before === undefined || before.metadata.generation !== metadata.generation) return true
  return before.metadata.annotations?.[classAnnotations.rotate] !== metadata.annotations?.[classAnnotations.rotate]
}

/** Whether a volume was last filled from another version of the class. */
export function isStale({ generation, rotateRequest }: SeenClass, { metadata }: SecretProviderClass): boolean {
  const isEdited = generation !== undefined && generation !== metadata.generation
  return isEdited || rotateRequest !== metadata.annotations?.[classAnnotations.rotate]
}

import { classAnnotations, follow, type KubeClient, resources, type SecretProviderClass } from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'
import type { ClassReader } from '../content/mount-class.ts'
import type { Volume, Volumes } from '../mount/volumes.ts'

export interface ClassWatchOptions {
  kube: KubeClient
  volumes: Volumes
  /** For a class that is not known yet. */
  readClass: ClassReader
  clock: Clock
  log: Log
  random?: () => number
}

export interface ClassWatch extends Running {
  /** The class as it is now, without a request where the watch knows it. */
  read: ClassReader
}

interface Watched extends Running {
  current: SecretProviderClass | undefined
}

/** A change asks the vault from every node at once; within this time they spread. */
const spreadMs = 2000

/**
 * Follows the classes of the volumes that are mounted here, one watch per class, and nothing else: what a node costs the API
 * server depends on its own volumes. A class that was edited, or whose rotate annotation got a new value, makes its volumes
 * due at once.
 */
export function watchClasses(options: ClassWatchOptions): ClassWatch {
  const { kube, volumes, readClass, clock, log, random = Math.random } = options
  const watched = new Map<string, Watched>()
  const ending = new Set<Promise<void>>()
  let stopped = false

  const keyOf = (namespace: string, name: string) => `${namespace}/${name}`

  function reconcile(): void {
    if (stopped) return
    const wanted = new Map(volumes.all().map((volume) => [keyOf(volume.pod.namespace, volume.className), volume]))
    for (const [key, { pod, className }] of wanted) {
      if (!watched.has(key)) watched.set(key, begin(pod.namespace, className))
    }
    for (const [key, watch] of watched) {
      if (wanted.has(key)) continue
      watched.delete(key)
      const end = watch.stop().finally(() => ending.delete(end))
      ending.add(end)
    }
  }

  function begin(namespace: string, name: string): Watched {
    const entry: Watched = { current: undefined, stop: () => running.stop() }
    const see = (object: SecretProviderClass | undefined) => {
      entry.current = object
      if (object !== undefined) wake(namespace, object)
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
    return entry
  }

  function wake(namespace: string, object: SecretProviderClass): void {
    const stale = volumes
      .all()
      .filter(({ pod, className }) => pod.namespace === namespace && className === object.metadata.name)
      .filter((volume) => isStale(volume, object))
    if (stale.length === 0) return
    // One moment for all volumes of the class: their reads are shared.
    const at = clock.now() + random() * spreadMs
    log.info(
      { class: keyOf(namespace, object.metadata.name ?? ''), volumes: stale.length },
      'the class asks for a rotation now',
    )
    for (const volume of stale) volumes.set({ ...volume, nextCheckAt: Math.min(volume.nextCheckAt, at) })
  }

  volumes.onChange(reconcile)
  reconcile()
  return {
    async read(ref) {
      const known = watched.get(keyOf(ref.namespace, ref.name))?.current
      return known ?? (await readClass(ref))
    },
    async stop() {
      stopped = true
      const all = [...watched.values()].map((watch) => watch.stop())
      watched.clear()
      await Promise.all([...all, ...ending])
    },
  }
}

/** Whether the volume was last filled by another edition of the class. */
function isStale({ seenClass }: Volume, { metadata }: SecretProviderClass): boolean {
  const edited = seenClass.generation !== undefined && seenClass.generation !== metadata.generation
  return edited || seenClass.rotateRequest !== metadata.annotations?.[classAnnotations.rotate]
}

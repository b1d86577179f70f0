import {
  isForbidden,
  isNotFound,
  type KubeClient,
  type OwnerReference,
  resources,
  type SecretObject,
} from '#kubernetes/client'
import { mountedFiles } from '#kubernetes/volume-files'
import { errorMessage, type Running } from '#lib'
import { createKeyedLock } from '#lib/async'
import { logKeys, podReference } from '../mount/check-volume.ts'
import type { Volume } from '../mount/volumes.ts'
import type { Parts } from '../parts.ts'
import { syncIsOff, writeSecret } from './secret-writer.ts'
import { isWanted, problemsText, wantedSecret } from './wanted-secret.ts'

/** Mirrors the content of volumes into Kubernetes Secrets where their classes ask for it (`secretObjects`). */
export interface SecretSync extends Running {
  /** Before a pod starts: its environment may come from these Secrets. Never throws: what fails is told by events. */
  beforeStart(volume: Volume, secretObjects: readonly SecretObject[]): Promise<void>
  /** After a rotation, or an edit of the class: soon, once for all volumes of the class. */
  soon(volume: Volume): void
}

export interface SecretSyncOptions {
  kube: KubeClient
  parts: Parts
  /** How often Secrets are compared with their volumes, in milliseconds: so long does a deleted Secret stay away. */
  resyncMs: number
}

/** Volumes of a class rotate in one burst; so long is it waited for. */
const gatherMs = 100

interface Group {
  namespace: string
  className: string
  /** Newest content first. */
  volumes: readonly Volume[]
}

export function startSecretSync({ kube, parts, resyncMs }: SecretSyncOptions): SecretSync {
  const { volumes, events, metrics, clock, log } = parts
  const lock = createKeyedLock()
  const owners = new Map<string, readonly OwnerReference[]>()
  let pending: Set<string> | undefined
  let stopped = false
  let work = Promise.resolve()
  let cancelGather = () => {}
  let cancelResync = clock.after(resyncMs, resync)

  /** Those whose end ends the Secret: what made the pod or, for a bare pod, the volume's status object. */
  async function ownersOf(volume: Volume): Promise<readonly OwnerReference[]> {
    const known = owners.get(volume.target)
    if (known !== undefined) return known
    const { pod, status } = volume
    const { metadata } = await kube.get(resources.pods, pod)
    // A status object names a pod; only the pod itself proves it.
    if (metadata.uid !== pod.uid) throw new Error(`pod ${pod.namespace}/${pod.name} is another one by now`)
    // A static pod belongs to its node, whose end is no reason.
    const makers = (metadata.ownerReferences ?? []).filter(({ kind }) => kind !== 'Node')
    const found: OwnerReference[] =
      makers.length > 0
        ? makers.map(({ apiVersion, kind, name, uid }) => ({ apiVersion, kind, name, uid }))
        : [{ apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClassPodStatus', ...refOf(status) }]
    owners.set(volume.target, found)
    return found
  }

  /** A pod that is gone, or that is not the one its volume was made for, keeps no other from its Secret. */
  async function knownOwners(volume: Volume): Promise<readonly OwnerReference[]> {
    try {
      return await ownersOf(volume)
    } catch (error) {
      if (isForbidden(error)) throw new Error(syncIsOff(error), { cause: error })
      if (!isNotFound(error)) log.warn({ ...logKeys(volume) }, `no owner for its Secrets: ${errorMessage(error)}`)
      return []
    }
  }

  async function sync(group: Group, secretObjects: readonly SecretObject[], takeOver: boolean): Promise<void> {
    if (secretObjects.length === 0) return
    const owned = await Promise.all(
      group.volumes.map(async (volume) => ({ volume, owners: await knownOwners(volume) })),
    )
    const proven = owned.filter(({ owners: found }) => found.length > 0)
    const newest = proven[0]?.volume
    if (newest === undefined) return
    const files = mountedFiles(newest.target)
    const all = new Map(proven.flatMap(({ owners: found }) => found).map((owner) => [owner.uid, owner]))
    for (const object of secretObjects) {
      const startedAt = performance.now()
      const { namespace, className } = group
      try {
        const wanted = await wantedSecret(object, files)
        if (!isWanted(wanted)) throw new Error(problemsText(object, wanted))
        const target = { namespace, className, wanted, owners: [...all.values()], takeOver }
        const outcome = await lock.run(`${namespace}/${wanted.name}`, () => writeSecret(kube, target))
        if (outcome !== 'written') continue
        metrics.secretSync(newest.provider, (performance.now() - startedAt) / 1000)
        log.info({ ...logKeys(newest), secret: wanted.name }, 'wrote the Secret')
      } catch (error) {
        metrics.secretSyncError(newest.provider)
        await tell(newest, error)
      }
    }
  }

  async function tell(volume: Volume, error: unknown): Promise<void> {
    log.error({ ...logKeys(volume) }, `a Secret was not written: ${errorMessage(error)}`)
    await events.record(podReference(volume), 'Warning', 'FailedToCreateSecret', errorMessage(error))
  }

  async function syncClass(key: string): Promise<void> {
    const group = groups().get(key)
    const newest = group?.volumes[0]
    if (group === undefined || newest === undefined) return
    try {
      const { spec } = await parts.knownClass({ namespace: group.namespace, name: group.className })
      await sync(group, spec?.secretObjects ?? [], false)
    } catch (error) {
      // A class that was deleted asks for nothing.
      if (error instanceof Error && isNotFound(error.cause)) return
      await tell(newest, error)
    }
  }

  function groups(): Map<string, Group> {
    const found = new Map<string, Group & { volumes: Volume[] }>()
    for (const volume of volumes.all()) {
      const key = keyOf(volume)
      const group = found.get(key) ?? { namespace: volume.pod.namespace, className: volume.className, volumes: [] }
      group.volumes.push(volume)
      found.set(key, group)
    }
    for (const { volumes: members } of found.values()) members.sort((a, b) => b.lastChangeAt - a.lastChangeAt)
    return found
  }

  /** One class after the other: a resync is no storm. */
  function enqueue(keys: Iterable<string>): void {
    for (const key of keys) work = work.then(() => (stopped ? undefined : syncClass(key)))
  }

  function resync(): void {
    const present = new Set(volumes.all().map(({ target }) => target))
    for (const target of owners.keys()) if (!present.has(target)) owners.delete(target)
    enqueue(groups().keys())
    cancelResync = clock.after(resyncMs, resync)
  }

  return {
    async beforeStart(volume, secretObjects) {
      if (secretObjects.length === 0) return
      owners.delete(volume.target)
      try {
        const group = { namespace: volume.pod.namespace, className: volume.className, volumes: [volume] }
        await sync(group, secretObjects, true)
      } catch (error) {
        await tell(volume, error)
      }
    },
    soon(volume) {
      if (pending === undefined) {
        const gathering = new Set<string>()
        pending = gathering
        cancelGather = clock.after(gatherMs, () => {
          pending = undefined
          enqueue(gathering)
        })
      }
      pending.add(keyOf(volume))
    },
    async stop() {
      stopped = true
      cancelGather()
      cancelResync()
      await work
    },
  }
}

function keyOf({ pod, className }: Volume): string {
  return `${pod.namespace}/${className}`
}

function refOf({ name, uid }: Volume['status']): { name: string; uid: string } {
  return { name, uid }
}

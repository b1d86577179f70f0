import { follow, type KubeObject, type Resource, resources } from '#kubernetes/client'
import { classRecord, mountRecord, podRecord, syncRecord, workloadRecord } from './cluster-view.ts'
import type { NamespaceIndex } from './namespace-index.ts'
import { schedule } from './passes.ts'
import { backoff, type Restarter, track } from './restarter.ts'
import { isServed, type WorkloadKind, workloadResources } from './workload-kinds.ts'

/** Time between two requests for a kind that the cluster did not have. */
const kindsMs = 300_000

const wholeCluster = [undefined] as const
const pods = resources.pods as Resource<KubeObject>

export async function followAll(restarter: Restarter): Promise<void> {
  const { config, view, follows } = restarter
  const namespaces = config.namespaces.length === 0 ? wholeCluster : config.namespaces
  for (const namespace of namespaces) {
    followIndex(restarter, resources.secretProviderClasses, { namespace }, view.classes, classRecord)
    followIndex(restarter, resources.secretProviderClassPodStatuses, { namespace }, view.mounts, mountRecord)
    // A pod that has finished leaves such a watch as if it were deleted.
    const fieldSelector = 'status.phase!=Succeeded,status.phase!=Failed'
    followIndex(restarter, pods, { namespace, metadataOnly: true, fieldSelector }, view.pods, podRecord)
  }
  await followOptionalKinds(restarter, namespaces, new Set())
  await Promise.all(follows.map(({ synced }) => synced))
  restarter.synced = true
  for (const namespace of view.mounts.namespaces()) schedule(restarter, namespace, 0)
  for (const namespace of view.syncs.namespaces()) schedule(restarter, namespace, 0)
}

/** Kinds that a cluster need not have, as soon as it has them. */
async function followOptionalKinds(
  restarter: Restarter,
  namespaces: readonly (string | undefined)[],
  followed: Set<string>,
): Promise<void> {
  const { kube, view, stopping, clock, log } = restarter
  const optional: [Resource<KubeObject>, (namespace: string | undefined) => void][] = [
    ...(Object.keys(workloadResources) as WorkloadKind[]).map((kind): [Resource<KubeObject>, typeof followSyncs] => {
      const resource: Resource<KubeObject> = workloadResources[kind]
      const followIn = (namespace: string | undefined) =>
        followIndex(restarter, resource, { namespace, metadataOnly: true }, view.workloads[kind], workloadRecord)
      return [resource, followIn]
    }),
    [resources.secretSyncs, followSyncs],
  ]
  function followSyncs(namespace: string | undefined): void {
    followIndex(restarter, resources.secretSyncs, { namespace }, view.syncs, syncRecord)
  }
  let again = kindsMs
  for (const [resource, followIn] of optional) {
    if (followed.has(resource.plural)) continue
    try {
      if (!(await isServed(kube, resource, stopping.signal))) continue
      followed.add(resource.plural)
      for (const namespace of namespaces) followIn(namespace)
    } catch (error) {
      if (stopping.signal.aborted) return
      again = backoff.initialMs
      log.warn({ err: error }, `cannot find out whether the cluster has ${resource.plural}`)
    }
  }
  if (followed.size === optional.length) return
  const ask = () => track(restarter, followOptionalKinds(restarter, namespaces, followed))
  restarter.cancelKinds = clock.after(again, ask)
}

interface FollowSelectors {
  namespace: string | undefined
  metadataOnly?: boolean
  fieldSelector?: string
}

/** Follows a collection into an index, and decides again about the namespaces in which something that counts has changed. */
function followIndex<T extends KubeObject, V>(
  restarter: Restarter,
  resource: Resource<T>,
  selectors: FollowSelectors,
  index: NamespaceIndex<V>,
  recordOf: (object: T) => V | undefined,
): void {
  const { kube, clock, log } = restarter
  const nameOf = ({ metadata }: T) => [metadata.namespace ?? '', metadata.name ?? ''] as const
  const store = (object: T) => {
    const [namespace, name] = nameOf(object)
    const [before, record] = [index.get(namespace, name), recordOf(object)]
    if (record === undefined) index.delete(namespace, name)
    else index.set(namespace, name, withLookup(before, record))
    return !isSame(before, record)
  }
  restarter.follows.push(
    follow(
      kube,
      resource,
      { ...selectors, clock, log },
      {
        onList(objects) {
          const before = selectors.namespace === undefined ? [...index.namespaces()] : [selectors.namespace]
          index.clear(selectors.namespace)
          for (const object of objects) store(object)
          for (const namespace of new Set([...before, ...objects.map((object) => nameOf(object)[0])]))
            schedule(restarter, namespace, restarter.gatherMs)
        },
        onChange(type, object) {
          const [namespace, name] = nameOf(object)
          const changed = type === 'DELETED' ? index.delete(namespace, name) !== undefined : store(object)
          if (changed) schedule(restarter, namespace, restarter.gatherMs)
        },
      },
    ),
  )
}

/** A lookup of a pod's containers outlives changes of its metadata. */
function withLookup<V>(before: V | undefined, record: V): V {
  const [old, next] = [before, record] as [
    { uid?: string; containersStartedAt?: number } | undefined,
    { uid?: string; containersStartedAt?: number },
  ]
  if (old?.containersStartedAt !== undefined && old.uid === next.uid) next.containersStartedAt = old.containersStartedAt
  return record
}

function isSame(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

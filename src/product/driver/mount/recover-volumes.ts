import { isForbidden, type SecretProviderClassPodStatus, statusAnnotations } from '#kubernetes/client'
import type { StaleContent } from '#kubernetes/provider-protocol'
import { errorMessage, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import { parseDuration } from '#lib/formats'
import type { Node } from '../node.ts'
import { listStatuses } from '../pod-status.ts'
import { catchUp } from '../rotation/class-watch.ts'
import { mountBytes } from './memory-budget.ts'
import { parseTargetPath } from './target-path.ts'
import { volumeDriver } from './volume-driver.ts'
import type { Volume, VolumeFailure } from './volumes.ts'

/**
 * After a restart: counts the memory of what is mounted, and restores the volumes from this node's status objects. Their
 * tokens come with kubelet's next republish. Asks the API server until it answers, or `signal` aborts.
 */
export async function recoverVolumes(node: Node, signal: AbortSignal): Promise<void> {
  await countMountedMemory(node)
  const backoff = createBackoff({ initialMs: 200, maxMs: 5000 })
  while (!signal.aborted) {
    try {
      return await recoverFromStatuses(node, signal)
    } catch (error) {
      const advice = isForbidden(error) ? ' (the driver needs list on secretproviderclasspodstatuses)' : ''
      node.log.warn(`the status objects of this node cannot be listed${advice}: ${errorMessage(error)}`)
      await sleep(backoff.next(), { clock: node.clock, signal }).catch(() => undefined)
    }
  }
}

/** Volumes without a status object count too: their files take memory. */
async function countMountedMemory({ config, mounter, memory, log }: Node): Promise<void> {
  try {
    for (const target of await mounter.mounted()) {
      if (parseTargetPath(target) === undefined || (await volumeDriver(target)) !== config.driverName) continue
      memory.set(target, { bytes: (await mounter.memoryOf(target)) + mountBytes, namespace: '' })
    }
  } catch (error) {
    log.warn(`the memory of mounted volumes cannot be counted: ${errorMessage(error)}`)
  }
}

async function recoverFromStatuses(node: Node, signal: AbortSignal): Promise<void> {
  const { mounter, volumes, memory, log } = node
  const objects = await listStatuses(node, signal)
  const named = await Promise.all(objects.map((object) => volumeOf(node, object)))
  const candidates = named.filter((volume) => volume !== undefined)
  const mounted = await mounter.mountedAmong(candidates.map(({ target }) => target))
  for (const volume of candidates) {
    if (!mounted.has(volume.target)) continue
    const bytes = (await mounter.memoryOf(volume.target)) + mountBytes
    memory.set(volume.target, { bytes, namespace: volume.pod.namespace })
    volumes.set(volume)
    // The watch of its class may have begun for another volume, and reported its state already.
    catchUp(node, volume)
  }
  if (volumes.size > 0) log.info({ volumes: volumes.size }, 'found the volumes that were mounted before the restart')
}

/**
 * A status object is not a proof (CVE-2020-8568): it counts only when its path is one of kubelet's for the pod that owns it,
 * and kubelet did not ask another driver for it. The caller checks that a memory file system is mounted there.
 */
async function volumeOf(node: Node, object: SecretProviderClassPodStatus): Promise<Volume | undefined> {
  const { config, mounter, clock } = node
  const { metadata, status } = object
  const targetPath = status?.targetPath ?? ''
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'Pod')
  const path = parseTargetPath(targetPath)
  if (path === undefined || owner?.uid !== path.podUid || status?.podName !== owner.name) return undefined
  const target = await mounter.existing(targetPath).catch(() => undefined)
  if (target === undefined) return undefined
  const madeBy = await volumeDriver(target)
  if (madeBy !== undefined && madeBy !== config.driverName) return undefined
  const agoOf = (ms: number) => Math.max(clock.now() - ms, 0)
  const lastCheckAt = timeOf(object, statusAnnotations.lastCheck)
  const lastChangeAt = timeOf(object, statusAnnotations.lastChange)
  // Without the annotation, an earlier driver's: such a volume is due as soon as its tokens are known.
  const nextCheckAt = clock.elapsed() + timeOf(object, statusAnnotations.nextCheck) - clock.now()
  return {
    target,
    targetPath,
    pod: { name: owner.name, namespace: metadata.namespace ?? '', uid: owner.uid },
    className: status?.secretProviderClassName ?? '',
    provider: '',
    request: undefined,
    status: {
      name: metadata.name ?? '',
      uid: metadata.uid ?? '',
      writtenAt: clock.elapsed() - agoOf(lastCheckAt),
      nextCheckAt,
      retry: undefined,
    },
    versions: (status?.objects ?? []).map(({ id = '', version = '' }) => ({ id, version })),
    startedWith: metadata.annotations?.[statusAnnotations.startedWith],
    mirroredFor: metadata.annotations?.[statusAnnotations.mirroredFor],
    stale: staleOf(object),
    large: false,
    digest: undefined,
    intervalMs: config.rotationIntervalMs,
    vaults: [],
    tokenOf: undefined,
    readAt: Number.NEGATIVE_INFINITY,
    quietMs: parseDuration(metadata.annotations?.[statusAnnotations.pollInterval] ?? ''),
    lastCheckAt,
    lastChangeAt,
    changedAt: clock.elapsed() - agoOf(lastChangeAt),
    nextCheckAt,
    wokenAt: Number.POSITIVE_INFINITY,
    secrets: (metadata.annotations?.[statusAnnotations.secrets] ?? '').split(',').filter((name) => name !== ''),
    failure: failureOf(object),
    seenClass: {
      generation: generationOf(object),
      rotateRequest: metadata.annotations?.[statusAnnotations.rotatedFor],
      changeId: metadata.annotations?.[statusAnnotations.changedFor],
    },
    change: undefined,
  }
}

/** Known again after a restart, so that it is reported until a check succeeds. */
function failureOf(object: SecretProviderClassPodStatus): VolumeFailure | undefined {
  const { [statusAnnotations.lastFailure]: message, [statusAnnotations.failureCode]: code = '' } =
    object.metadata.annotations ?? {}
  if (message === undefined) return undefined
  return { message, code, times: 1, since: timeOf(object, statusAnnotations.failingSince) }
}

/** Of an earlier driver it is not known. */
function generationOf({ metadata }: SecretProviderClassPodStatus): number | undefined {
  const text = metadata.annotations?.[statusAnnotations.classGeneration] ?? ''
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

/** The reason is in the event of the mount. */
function staleOf(object: SecretProviderClassPodStatus): StaleContent | undefined {
  const since = timeOf(object, statusAnnotations.staleSince)
  return since === 0 ? undefined : { since, reason: '' }
}

function timeOf({ metadata }: SecretProviderClassPodStatus, annotation: string): number {
  const ms = Date.parse(metadata.annotations?.[annotation] ?? '')
  return Number.isNaN(ms) ? 0 : ms
}

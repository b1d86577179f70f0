import { isForbidden, type SecretProviderClassPodStatus, statusAnnotations } from '#kubernetes/client'
import { errorMessage, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import type { Parts } from '../parts.ts'
import { parseTargetPath } from './target-path.ts'
import { volumeDriver } from './volume-driver.ts'
import type { Volume } from './volumes.ts'

/**
 * After a restart: which of this node's status objects stand for a volume that is still mounted. Their tokens come with
 * kubelet's next republish. Asks the API server until it answers, or `signal` aborts.
 *
 * A status object is no proof (CVE-2020-8568): it counts only when its path is one of kubelet's for the pod that owns it,
 * a memory file system is mounted there, and kubelet did not ask another driver for it.
 */
export async function recoverVolumes(parts: Parts, signal: AbortSignal): Promise<void> {
  const backoff = createBackoff({ initialMs: 200, maxMs: 5000 })
  while (!signal.aborted) {
    try {
      const objects = await parts.statuses.list()
      const named = await Promise.all(objects.map((object) => volumeOf(parts, object)))
      const volumes = named.filter((volume) => volume !== undefined)
      const mounted = await parts.mounter.mountedAmong(volumes.map(({ target }) => target))
      for (const volume of volumes) if (mounted.has(volume.target)) parts.volumes.set(volume)
      if (parts.volumes.size > 0)
        parts.log.info({ volumes: parts.volumes.size }, 'found the volumes of before the restart')
      return
    } catch (error) {
      const advice = isForbidden(error) ? ' (the driver needs list on secretproviderclasspodstatuses)' : ''
      parts.log.warn(`the status objects of this node cannot be listed${advice}: ${errorMessage(error)}`)
      await sleep(backoff.next(), { clock: parts.clock, signal }).catch(() => undefined)
    }
  }
}

async function volumeOf(parts: Parts, object: SecretProviderClassPodStatus): Promise<Volume | undefined> {
  const { metadata, status } = object
  const targetPath = status?.targetPath ?? ''
  const owner = metadata.ownerReferences?.find(({ kind }) => kind === 'Pod')
  const path = parseTargetPath(targetPath)
  if (path === undefined || owner?.uid !== path.podUid || status?.podName !== owner.name) return undefined
  const target = await parts.mounter.existing(targetPath).catch(() => undefined)
  if (target === undefined) return undefined
  const madeBy = await volumeDriver(target)
  if (madeBy !== undefined && madeBy !== parts.driverName) return undefined
  const lastCheckAt = timeOf(object, statusAnnotations.lastCheck)
  return {
    target,
    targetPath,
    pod: { name: owner.name, namespace: metadata.namespace ?? '', uid: owner.uid },
    className: status?.secretProviderClassName ?? '',
    provider: '',
    request: undefined,
    status: { name: metadata.name ?? '', uid: metadata.uid ?? '', writtenAt: lastCheckAt },
    versions: (status?.objects ?? []).map(({ id = '', version = '' }) => ({ id, version })),
    digest: undefined,
    intervalMs: parts.defaultIntervalMs,
    lastCheckAt,
    lastChangeAt: timeOf(object, statusAnnotations.lastChange),
    // Without the annotation, an earlier driver's: then the volume is checked when its tokens are known.
    nextCheckAt: timeOf(object, statusAnnotations.nextCheck),
    failure: undefined,
    seenClass: { generation: undefined, rotateRequest: metadata.annotations?.[statusAnnotations.rotatedFor] },
  }
}

function timeOf({ metadata }: SecretProviderClassPodStatus, annotation: string): number {
  const ms = Date.parse(metadata.annotations?.[annotation] ?? '')
  return Number.isNaN(ms) ? 0 : ms
}

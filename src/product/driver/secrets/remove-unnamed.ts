import { isConflict, isNotFound, resources, type SecretObject } from '#kubernetes/client'
import { errorMessage, timestamp } from '#lib'
import { podReference } from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { dueNow } from '../pod-status.ts'
import type { ClassVolumes } from './class-volumes.ts'
import { refusalText } from './refusal.ts'
import { classAnnotation, fieldManager, isManaged, unnamedAnnotation } from './secret-marks.ts'
import { readSecret } from './secret-writer.ts'
import { secretNames } from './wanted-secret.ts'

/**
 * How long a Secret stays that no class names any more: long enough for another class to take it over at its next sync, and
 * for the pods of a rollout that still refer to it.
 */
const graceMs = 600_000

/**
 * Removes the Secrets that this class wrote and no longer names: their old values would stay in the cluster as long as a pod
 * does that made them. The first sync marks such a Secret and reports it; one after the grace period deletes it.
 */
export async function removeUnnamed(
  node: Node,
  group: ClassVolumes,
  secretObjects: readonly SecretObject[],
  signal: AbortSignal,
): Promise<void> {
  const named = secretNames(secretObjects)
  const before = new Set(group.volumes.flatMap(({ secrets }) => secrets))
  const remaining: string[] = []
  for (const name of before) {
    if (!named.includes(name) && (await removeOne(node, group, name, signal)) === 'stays') remaining.push(name)
  }
  rememberSecrets(node, group, [...named, ...remaining])
}

async function removeOne(
  node: Node,
  group: ClassVolumes,
  name: string,
  signal: AbortSignal,
): Promise<'stays' | 'gone'> {
  const { namespace, className } = group
  try {
    return await node.secretSync.lock.run(`${namespace}/${name}`, () => markOrDelete(node, group, name, signal))
  } catch (error) {
    signal.throwIfAborted()
    const text = `Secret "${name}", which class ${className} no longer names, was not removed: ${refusalText(error)}`
    node.log.warn({ class: `${namespace}/${className}`, secret: name }, text)
    await node.events.record(podReference(group.newest), 'Warning', 'FailedToRemoveSecret', text)
    return 'stays'
  }
}

async function markOrDelete(
  node: Node,
  { namespace, className, newest }: ClassVolumes,
  name: string,
  signal: AbortSignal,
): Promise<'stays' | 'gone'> {
  const { kube, clock, events, metrics, log } = node
  const ref = { namespace, name }
  const secret = await readSecret(node, ref, signal)
  if (secret === undefined || !isManaged(secret) || secret.metadata.annotations?.[classAnnotation] !== className)
    return 'gone'
  const { uid, annotations } = secret.metadata
  const since = Date.parse(annotations?.[unnamedAnnotation] ?? '')
  if (Number.isNaN(since)) {
    const metadata = { uid, annotations: { [unnamedAnnotation]: timestamp(clock.now()) } }
    await kube.patch(resources.secrets, ref, { metadata }, { fieldManager, signal })
    const text = `no class names the Secret "${name}" any more; it is deleted in ${graceMs / 60_000} minutes unless one does`
    await events.record(podReference(newest), 'Normal', 'SecretNotNamed', text)
    return 'stays'
  }
  if (clock.now() - since < graceMs) return 'stays'
  try {
    await kube.delete(resources.secrets, ref, { uid, signal })
  } catch (error) {
    // Another node has deleted it, or made it again for a class that names it.
    if (!isNotFound(error) && !isConflict(error)) throw error
    log.debug({ secret: name }, `not deleted: ${errorMessage(error)}`)
    return 'gone'
  }
  metrics.secretRemoved(newest.provider)
  log.info({ class: `${namespace}/${className}`, secret: name }, 'deleted a Secret that no class names any more')
  await events.record(podReference(newest), 'Normal', 'SecretRemoved', `deleted the Secret "${name}"`)
  return 'gone'
}

/** In the status objects too, so that a restarted driver, and another node, find what is to be removed. */
function rememberSecrets(node: Node, group: ClassVolumes, secrets: readonly string[]): void {
  for (const { target } of group.volumes) {
    const volume = node.volumes.get(target)
    const isSame = volume?.secrets.length === secrets.length && secrets.every((name) => volume.secrets.includes(name))
    if (volume === undefined || isSame) continue
    node.volumes.update(target, { secrets, status: dueNow(node, volume) })
  }
}

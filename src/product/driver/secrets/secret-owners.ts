import { isForbidden, isNotFound, type OwnerReference, resources } from '#kubernetes/client'
import { errorMessage } from '#lib'
import { logKeys, type Volume } from '../mount/volumes.ts'
import type { Node } from '../node.ts'
import { refusalText } from './refusal.ts'

const statusKind = 'SecretProviderClassPodStatus'

/**
 * The objects with which a volume's Secrets are deleted: what made the pod or, for a bare pod, the volume's status object.
 * Empty for a pod that is gone, or is not the one that the volume was mounted for: it keeps no other pod from the Secret.
 */
export async function secretOwners(
  node: Node,
  volume: Volume,
  signal: AbortSignal,
): Promise<readonly OwnerReference[]> {
  const { owners } = node.secretSync
  const held = owners.get(volume.target)
  // A status object that was deleted and written again is another one: its namesake would own nothing.
  if (held?.every(({ kind, uid }) => kind !== statusKind || uid === volume.status.uid)) return held
  try {
    const found = await findOwners(node, volume, signal)
    owners.set(volume.target, found)
    return found
  } catch (error) {
    signal.throwIfAborted()
    if (isForbidden(error)) throw new Error(refusalText(error), { cause: error })
    if (!isNotFound(error)) node.log.warn(logKeys(volume), `no owner for its Secrets: ${errorMessage(error)}`)
    return []
  }
}

async function findOwners({ kube }: Node, { pod, status }: Volume, signal: AbortSignal): Promise<OwnerReference[]> {
  const { metadata } = await kube.get(resources.pods, pod, { signal })
  // A status object names a pod; only the pod itself proves it.
  if (metadata.uid !== pod.uid) throw new Error(`pod ${pod.namespace}/${pod.name} is another one by now`)
  // A static pod belongs to its node, whose end is not a reason.
  const makers = (metadata.ownerReferences ?? []).filter(({ kind }) => kind !== 'Node')
  if (makers.length > 0) return makers.map(({ apiVersion, kind, name, uid }) => ({ apiVersion, kind, name, uid }))
  if (status.uid === '') throw new Error('the status object of the volume, which is to own them, is not written yet')
  const { name, uid } = status
  return [{ apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: statusKind, name, uid }]
}

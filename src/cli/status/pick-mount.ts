import {
  type KubeObject,
  type Pod,
  type SecretProviderClassPodStatus,
  statusAnnotations,
  versionHash,
} from '#kubernetes/client'
import { listOf, recordOf, stringOf } from '#lib/formats'
import { classVolumes } from '../cluster/class-volumes.ts'
import { cleanName, cleanText } from './clean-text.ts'
import type { Mount, PodOwner, WaitingPod } from './cluster-objects.ts'
import { statusLimits } from './status-limits.ts'

/** Upstream's label, which our driver writes too. */
const nodeLabel = 'internal.secrets-store.csi.k8s.io/node-name'

const kept = Object.values(statusAnnotations)

/** A status object may have been written by anyone with the right to: nothing about its form is taken for granted. */
export function pickMount({ metadata, status, apiVersion, kind }: SecretProviderClassPodStatus): Mount {
  const annotations: Record<string, string> = {}
  for (const name of kept) {
    const text = stringOf(metadata.annotations?.[name])
    if (text !== undefined) annotations[name] = cleanText(text)
  }
  const all = (listOf(status?.objects) ?? []).map((each) => recordOf(each) ?? {})
  const whole = all.map(({ id, version }) => ({ id: stringOf(id), version: stringOf(version) }))
  const className = stringOf(status?.secretProviderClassName) ?? ''
  const objects = whole
    .slice(0, statusLimits.objects.value)
    .map(({ id, version }) => ({ id: cleanName(id), version: cleanName(version) }))
  // Beyond the limit they are only counted: an empty id is a place.
  while (objects.length < Math.min(whole.length, 10 * statusLimits.objects.value)) objects.push({ id: '', version: '' })
  return {
    object: {
      apiVersion,
      kind,
      metadata: { ...named(metadata), annotations },
      status: { podName: cleanName(status?.podName), secretProviderClassName: cleanName(className), objects },
    },
    node: cleanName(metadata.labels?.[nodeLabel]),
    hash: versionHash(className, whole),
  }
}

/** What names an object, and when it was created. */
export function named(metadata: KubeObject['metadata']) {
  return {
    namespace: cleanName(metadata.namespace),
    name: cleanName(metadata.name),
    uid: cleanName(metadata.uid),
    ...(metadata.creationTimestamp === undefined ? {} : { creationTimestamp: cleanName(metadata.creationTimestamp) }),
  }
}

export function pickPod(object: KubeObject): PodOwner {
  return { workload: workloadOf(object) }
}

/** The controller of a pod, and of a ReplicaSet the Deployment: its name is that of the ReplicaSet without the hash. */
export function workloadOf({ metadata }: KubeObject): string {
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true)
  if (owner === undefined) return `pod/${cleanName(metadata.name)}`
  const hash = metadata.labels?.['pod-template-hash']
  const isDeployment = owner.kind === 'ReplicaSet' && hash !== undefined && owner.name.endsWith(`-${hash}`)
  const name = isDeployment ? owner.name.slice(0, -`-${hash}`.length) : owner.name
  return `${isDeployment ? 'deployment' : cleanName(owner.kind).toLowerCase()}/${cleanName(name)}`
}

/** Undefined for a pod without a volume of ours. */
export function pickWaiting(pod: Pod): WaitingPod | undefined {
  const classes = classVolumes(pod.spec)
    .slice(0, statusLimits.objects.value)
    .map(({ className }) => cleanName(className))
  if (classes.length === 0) return undefined
  const { namespace, name, uid, creationTimestamp: created } = named(pod.metadata)
  const node = cleanName(pod.spec.nodeName)
  const phase = cleanName(pod.status?.phase)
  return { namespace, name, uid, created, node, classes, phase, workload: workloadOf(pod) }
}

import {
  type AzureAssignedIdentity,
  type AzureIdentity,
  type AzureIdentityBinding,
  followInto,
  type KubeClient,
  type KubeObject,
  objectKey,
  type Pod,
  resources,
} from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'
import { podIdentityNames } from '../names.ts'
import type { BoundPod, ClusterState } from './match-pods.ts'

/**
 * The controller's copy of the cluster. The API server sends only pods with the label, and four strings of each are stored:
 * the cost is that of the pods that use pod identity, not of the cluster.
 */
export interface ClusterView extends Running, ClusterState {
  synced: Promise<void>
  /** Assignments that exist, by `namespace/name`. */
  assigned: ReadonlyMap<string, AzureAssignedIdentity>
  /** Stores the API server's answer to a write, which the watch reports a moment later. */
  store(assigned: AzureAssignedIdentity): void
  forget(assigned: AzureAssignedIdentity): void
}

export interface ClusterViewOptions {
  kube: KubeClient
  log: Log
  clock: Clock
  /** Called after every change that may require other assignments. */
  onChange(): void
}

export function followCluster({ kube, log, clock, onChange }: ClusterViewOptions): ClusterView {
  const pods = new Map<string, BoundPod>()
  const identities = new Map<string, AzureIdentity>()
  const bindings = new Map<string, AzureIdentityBinding>()
  const assigned = new Map<string, AzureAssignedIdentity>()

  /** A watch may report a state before our last write. Versions of one resource are ordered: https://kep.k8s.io/5504 */
  const newest = (object: AzureAssignedIdentity) => {
    const held = assigned.get(objectKey(object))
    return held !== undefined && versionOf(held) > versionOf(object) ? held : object
  }

  const whole = { log, clock, onChange, keep: <T>(object: T) => object }
  const boundPods = { log, clock, onChange, keep: boundPod, labelSelector: podIdentityNames.podLabel }
  const following = [
    followInto(pods, kube, resources.pods, boundPods),
    followInto(identities, kube, resources.azureIdentities, whole),
    followInto(bindings, kube, resources.azureIdentityBindings, whole),
    followInto(assigned, kube, resources.azureAssignedIdentities, { log, clock, onChange, keep: newest }),
  ]
  return {
    synced: Promise.all(following.map(({ synced }) => synced)).then(() => undefined),
    pods: { [Symbol.iterator]: () => pods.values() },
    identities: { [Symbol.iterator]: () => identities.values() },
    bindings: { [Symbol.iterator]: () => bindings.values() },
    assigned,
    store: (object) => void assigned.set(objectKey(object), newest(object)),
    forget: (object) => void assigned.delete(objectKey(object)),
    async stop() {
      await Promise.all(following.map((one) => one.stop()))
    },
  }
}

/** Undefined while the pod has no node. */
function boundPod({ metadata, spec }: Pod): BoundPod | undefined {
  const { nodeName = '' } = spec
  if (nodeName === '') return undefined
  const { name = '', namespace = '', labels } = metadata
  return { name, namespace, nodeName, selector: labels?.[podIdentityNames.podLabel] ?? '' }
}

function versionOf({ metadata }: KubeObject): number {
  return Number(metadata.resourceVersion ?? 0)
}

import {
  type AzureAssignedIdentity,
  type AzureIdentity,
  type AzureIdentityBinding,
  follow,
  type KubeClient,
  type KubeObject,
  type Pod,
  type Resource,
  resources,
  type Selectors,
} from '../../kube/index.ts'
import type { Log, Running } from '../../lib/index.ts'
import { keyOf } from '../azure-identity.ts'
import { podIdentityNames } from '../names.ts'
import type { BoundPod, ClusterState } from './match-pods.ts'

/**
 * What the controller knows of the cluster. Of pods only those with the label are sent by the API server, and four strings
 * of each are kept: the cost is that of the pods that use pod identity, not of the cluster.
 */
export interface ClusterView extends Running, ClusterState {
  synced: Promise<void>
  /** Assignments that exist, by `namespace/name`. */
  assigned: ReadonlyMap<string, AzureAssignedIdentity>
  /** What the API server answered to a write, which the watch tells a moment later. */
  remember(assigned: AzureAssignedIdentity): void
  forget(assigned: AzureAssignedIdentity): void
}

export interface ClusterViewOptions {
  kube: KubeClient
  log: Log
  /** Called when something changed that may call for other assignments. */
  onChange(): void
}

export function followCluster({ kube, log, onChange }: ClusterViewOptions): ClusterView {
  const pods = new Map<string, BoundPod>()
  const identities = new Map<string, AzureIdentity>()
  const bindings = new Map<string, AzureIdentityBinding>()
  const assigned = new Map<string, AzureAssignedIdentity>()

  function into<T extends KubeObject, V>(
    map: Map<string, V>,
    resource: Resource<T>,
    { toValue, ...selectors }: Selectors & { toValue: (object: T) => V | undefined },
  ) {
    const set = (object: T) => {
      const value = toValue(object)
      if (value === undefined) map.delete(keyOf(object))
      else map.set(keyOf(object), value)
    }
    return follow(
      kube,
      resource,
      { log, ...selectors },
      {
        onList(objects) {
          map.clear()
          for (const object of objects) set(object)
          onChange()
        },
        onChange(type, object) {
          if (type === 'DELETED') map.delete(keyOf(object))
          else set(object)
          onChange()
        },
      },
    )
  }

  /** A watch may tell of a time before our last write. Versions of one resource can be compared: https://kep.k8s.io/5504 */
  const newest = (object: AzureAssignedIdentity) => {
    const held = assigned.get(keyOf(object))
    return held !== undefined && versionOf(held) > versionOf(object) ? held : object
  }

  const following = [
    into(pods, resources.pods, { labelSelector: podIdentityNames.podLabel, toValue: boundPod }),
    into(identities, resources.azureIdentities, { toValue: (identity) => identity }),
    into(bindings, resources.azureIdentityBindings, { toValue: (binding) => binding }),
    into(assigned, resources.azureAssignedIdentities, { toValue: newest }),
  ]
  return {
    synced: Promise.all(following.map(({ synced }) => synced)).then(() => undefined),
    pods: { [Symbol.iterator]: () => pods.values() },
    identities: { [Symbol.iterator]: () => identities.values() },
    bindings: { [Symbol.iterator]: () => bindings.values() },
    assigned,
    remember: (object) => void assigned.set(keyOf(object), newest(object)),
    forget: (object) => void assigned.delete(keyOf(object)),
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

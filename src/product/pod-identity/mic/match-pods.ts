import {
  type AzureAssignedIdentity,
  type AzureIdentity,
  type AzureIdentityBinding,
  type ObjectMeta,
  objectKey,
} from '#kubernetes/client'
import { isIdentityId, isNamespaced, isUserAssigned } from '../azure-identity.ts'
import { podIdentityNames } from '../names.ts'

/** What matters of a pod that asks for identities. */
export interface BoundPod {
  name: string
  namespace: string
  nodeName: string
  /** Value of the label `aadpodidbinding`. */
  selector: string
}

export interface ClusterState {
  pods: Iterable<BoundPod>
  identities: Iterable<AzureIdentity>
  bindings: Iterable<AzureIdentityBinding>
}

/** Something that keeps a binding from having its effect, in words for an event. */
export interface MatchProblem {
  about: AzureIdentity | AzureIdentityBinding
  message: string
}

export interface Match {
  /** What should exist, by `namespace/name`. */
  desired: Map<string, AzureAssignedIdentity>
  problems: MatchProblem[]
}

/**
 * Which identities each pod should have: those of the bindings whose selector is the pod's label, to the letter. In the
 * order of the bindings' namespaces and names, because the names of assignments do not say of which namespace the identity
 * is: of two that have the same name the first counts.
 */
export function matchPods(state: ClusterState, { forceNamespaced }: { forceNamespaced: boolean }): Match {
  const problems: MatchProblem[] = []
  const identities = new Map([...state.identities].map((identity) => [objectKey(identity), identity]))
  const usable = usableBindings(state.bindings, identities, problems)
  const desired = new Map<string, AzureAssignedIdentity>()
  for (const pod of state.pods) {
    for (const { binding, identity } of usable.get(pod.selector) ?? []) {
      const namespaced = forceNamespaced || isNamespaced(identity)
      if (namespaced && identity.metadata.namespace !== pod.namespace) continue
      const wanted = assignedIdentity(pod, { binding, identity, namespaced })
      const earlier = desired.get(objectKey(wanted))
      if (earlier === undefined) desired.set(objectKey(wanted), wanted)
      else if (objectKey(earlier.spec.azureIdentityRef) !== objectKey(identity))
        problems.push(nameTaken(earlier, wanted))
    }
  }
  return { desired, problems }
}

interface UsableBinding {
  binding: AzureIdentityBinding
  identity: AzureIdentity
}

/** Bindings whose identity exists and can be assigned, by selector. */
function usableBindings(
  bindings: Iterable<AzureIdentityBinding>,
  identities: ReadonlyMap<string, AzureIdentity>,
  problems: MatchProblem[],
): Map<string, UsableBinding[]> {
  const bySelector = new Map<string, UsableBinding[]>()
  for (const binding of [...bindings].toSorted((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))) {
    const { selector, azureIdentity = '' } = binding.spec
    const identity = identities.get(`${binding.metadata.namespace}/${azureIdentity}`)
    if (identity === undefined || selector === undefined) continue
    if (isUserAssigned(identity) && !isIdentityId(identity.spec.resourceID ?? '')) {
      problems.push({ about: identity, message: invalidId(identity) })
      continue
    }
    bySelector.set(selector, [...(bySelector.get(selector) ?? []), { binding, identity }])
  }
  return bySelector
}

function invalidId({ spec }: AzureIdentity): string {
  return `spec.resourceID: found "${spec.resourceID ?? ''}", expected /subscriptions/ID/resourcegroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME (fields are written resourceID and clientID)`
}

function nameTaken(first: AzureAssignedIdentity, second: AzureAssignedIdentity): MatchProblem {
  const { pod, podNamespace } = first.spec
  return {
    about: second.spec.azureBindingRef,
    message: `pod ${podNamespace}/${pod} gets the AzureIdentity ${objectKey(first.spec.azureIdentityRef)}; ${objectKey(second.spec.azureIdentityRef)} would have the same AzureAssignedIdentity. Give them different names, or keep identities to their namespaces (forceNamespaced)`,
  }
}

function assignedIdentity(
  pod: BoundPod,
  { binding, identity, namespaced }: UsableBinding & { namespaced: boolean },
): AzureAssignedIdentity {
  return {
    apiVersion: 'aadpodidentity.k8s.io/v1',
    kind: 'AzureAssignedIdentity',
    metadata: {
      name: `${pod.name}-${pod.namespace}-${identity.metadata.name}`,
      namespace: namespaced ? (identity.metadata.namespace ?? '') : 'default',
      labels: { [podIdentityNames.nodeLabel]: pod.nodeName },
      finalizers: [podIdentityNames.finalizer],
    },
    spec: {
      azureIdentityRef: { ...identity, metadata: essential(identity.metadata) },
      azureBindingRef: { ...binding, metadata: essential(binding.metadata) },
      pod: pod.name,
      podNamespace: pod.namespace,
      nodename: pod.nodeName,
    },
    status: { status: 'Created', availableReplicas: 1 },
  }
}

/** Of the metadata, what the copy is read for; not what `kubectl apply` and the API server keep for themselves. */
function essential({ name, namespace, uid, resourceVersion, annotations }: ObjectMeta): ObjectMeta {
  const behaviour = annotations?.[podIdentityNames.behaviour]
  return {
    ...(name !== undefined && { name }),
    ...(namespace !== undefined && { namespace }),
    ...(uid !== undefined && { uid }),
    ...(resourceVersion !== undefined && { resourceVersion }),
    ...(behaviour !== undefined && { annotations: { [podIdentityNames.behaviour]: behaviour } }),
  }
}

import {
  type AzureAssignedIdentity,
  type AzureIdentity,
  type AzureIdentityBinding,
  compareByKey,
  type ObjectMeta,
  objectKey,
} from '#kubernetes/client'
import { isIdentityId, isNamespaced, isUserAssigned } from '../azure-identity.ts'
import { podIdentityNames } from '../names.ts'

/** The fields of a pod that decide about its identities. */
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

/** Why a binding has no effect, as the text of an event. */
export interface MatchProblem {
  about: AzureIdentity | AzureIdentityBinding
  message: string
}

export interface Match {
  /** Assignments that should exist, by `namespace/name`. */
  desired: Map<string, AzureAssignedIdentity>
  problems: MatchProblem[]
}

/**
 * Which identities each pod should have: those of the bindings whose selector equals the pod's label. In the order of the
 * bindings' namespaces and names, because the names of assignments do not contain the namespace of the identity: of two with
 * the same name the first is used.
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
  for (const binding of [...bindings].toSorted(compareByKey)) {
    const { selector, azureIdentity = '' } = binding.spec
    const identity = identities.get(`${binding.metadata.namespace}/${azureIdentity}`)
    if (identity === undefined || selector === undefined) continue
    const message = invalidId(identity)
    if (message !== undefined) {
      problems.push({ about: identity, message })
      continue
    }
    bySelector.set(selector, [...(bySelector.get(selector) ?? []), { binding, identity }])
  }
  return bySelector
}

/** What is wrong with the ids of an identity; undefined when Azure can accept them. */
function invalidId(identity: AzureIdentity): string | undefined {
  const { resourceID = '', clientID = '' } = identity.spec
  if (isUserAssigned(identity) && !isIdentityId(resourceID)) {
    return `spec.resourceID: found ${quoted(resourceID)}, expected /subscriptions/ID/resourcegroups/GROUP/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME without white space (fields are written resourceID and clientID)`
  }
  return /\s/.test(clientID)
    ? `spec.clientID: found ${quoted(clientID)}, expected a client id without white space`
    : undefined
}

/** In JSON, so that a line feed or a blank at the end is visible. */
function quoted(text: string): string {
  return JSON.stringify(text.length <= 300 ? text : `${text.slice(0, 300)}…`)
}

function nameTaken(first: AzureAssignedIdentity, second: AzureAssignedIdentity): MatchProblem {
  const { pod, podNamespace } = first.spec
  return {
    about: second.spec.azureBindingRef,
    message: `pod ${podNamespace}/${pod} gets the AzureIdentity ${objectKey(first.spec.azureIdentityRef)}; ${objectKey(second.spec.azureIdentityRef)} would have the same AzureAssignedIdentity. Give them different names, or restrict identities to their namespaces (forceNamespaced)`,
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

/** The metadata that readers of the copy need, without fields of `kubectl apply` and of the API server. */
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

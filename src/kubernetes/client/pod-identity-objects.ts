import type { KubeObject } from './objects.ts'

/**
 * The objects of AAD Pod Identity, group `aadpodidentity.k8s.io`. Names of fields are upstream's, `nodename` and `resourceID`
 * among them. https://azure.github.io/aad-pod-identity/docs/concepts/azureidentity/
 */
export interface AzureIdentity extends KubeObject {
  spec: {
    /** 0: user-assigned managed identity; 1: service principal with a secret; 2: with a certificate. Default 0. */
    type?: number
    /** Resource Manager's id of the managed identity. */
    resourceID?: string
    clientID?: string
    /** The Secret of a service principal. */
    clientPassword?: { name?: string; namespace?: string }
    tenantID?: string
    auxiliaryTenantIDs?: string[] | null
    adResourceID?: string
    /** Takes the place of the public cloud's authority. */
    adEndpoint?: string
  }
}

export interface AzureIdentityBinding extends KubeObject {
  spec: {
    /** Name of an AzureIdentity in the same namespace. */
    azureIdentity?: string
    /** Value of the pods' label `aadpodidbinding`. */
    selector?: string
  }
}

/** `Created`: wanted; `Assigned`: the pod's machine has it; `Unassigned`: taken from the machine, about to go. Empty before 1.5. */
export type AssignmentState = '' | 'Created' | 'Assigned' | 'Unassigned'

/** One identity of one pod, as the controller decided it. Identity and binding are copies of that moment. */
export interface AzureAssignedIdentity extends KubeObject {
  spec: {
    azureIdentityRef: AzureIdentity
    azureBindingRef: AzureIdentityBinding
    pod: string
    podNamespace: string
    nodename: string
  }
  status?: { status?: AssignmentState; availableReplicas?: number }
}

/** Pods of its namespace with any one of these labels are not intercepted. */
export interface AzurePodIdentityException extends KubeObject {
  spec: { podLabels?: Record<string, string> }
}

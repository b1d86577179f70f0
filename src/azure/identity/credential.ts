import type { SecretValue } from '#lib'
import type { ServiceAccountToken } from './service-account-token.ts'

/** A way to prove who asks. Exactly one is chosen for a volume; see {@link chooseCredential}. */
export type Credential =
  | WorkloadCredential
  | ServicePrincipalCredential
  | ManagedCredential
  | PodIdentityCredential
  | IdentityBindingCredential

/** The pod's service account token is the proof: https://learn.microsoft.com/entra/workload-id/workload-identity-federation */
export interface WorkloadCredential {
  kind: 'workload'
  tenantId: string
  clientId: string
  assertion: ServiceAccountToken
}

/** As workload identity, but the exchange goes through the cluster's token proxy (AKS identity bindings). */
export interface IdentityBindingCredential {
  kind: 'identity-binding'
  tenantId: string
  clientId: string
  assertion: ServiceAccountToken
}

/** An application with a client secret or a certificate (PEM or base64 PFX), from the class's `nodePublishSecretRef`. */
export interface ServicePrincipalCredential {
  kind: 'service-principal'
  tenantId: string
  clientId: string
  proof:
    | { kind: 'secret'; secret: SecretValue }
    | { kind: 'certificate'; certificate: SecretValue; password: SecretValue | undefined }
}

/** The node's own identity, from the instance metadata service. Without a client id: the system-assigned one. */
export interface ManagedCredential {
  kind: 'managed'
  tenantId: string
  clientId: string | undefined
}

/** AAD Pod Identity: the node agent (NMI) hands out the token that its bindings give to this pod. */
export interface PodIdentityCredential {
  kind: 'pod-identity'
  tenantId: string
  podName: string
  podNamespace: string
}

/** Who asks, in words for an error: never contains a proof. */
export function describeCredential(credential: Credential): string {
  switch (credential.kind) {
    case 'workload':
    case 'identity-binding': {
      const { subject, issuer, audiences } = credential.assertion.claims
      const how = credential.kind === 'workload' ? 'workload identity' : 'identity binding'
      return `${how}: client ${credential.clientId}, tenant ${credential.tenantId}, subject ${subject}, issuer ${issuer}, audience ${audiences.join(' ')}`
    }
    case 'service-principal':
      return `service principal: client ${credential.clientId}, tenant ${credential.tenantId}, ${credential.proof.kind}`
    case 'managed':
      return credential.clientId === undefined
        ? 'system-assigned managed identity of the node'
        : `user-assigned managed identity ${credential.clientId}`
    case 'pod-identity':
      return `pod identity of pod ${credential.podNamespace}/${credential.podName}`
    default:
      throw new Error(`unknown credential ${JSON.stringify(credential satisfies never)}`)
  }
}

import type { AzureAssignedIdentity, AzureIdentity } from '#kubernetes/client'
import { podIdentityNames } from './names.ts'

/** What `spec.type` of an AzureIdentity means. */
export const identityTypes = { userAssigned: 0, servicePrincipal: 1, servicePrincipalCertificate: 2 } as const

export function typeOf({ spec }: AzureIdentity): number {
  return spec.type ?? identityTypes.userAssigned
}

/** Whether the identity is one that a machine of Azure can be given. */
export function isUserAssigned(identity: AzureIdentity): boolean {
  return typeOf(identity) === identityTypes.userAssigned
}

/** Ids of Azure are compared without their case, everywhere. */
export function sameId(a: string | undefined, b: string | undefined): boolean {
  return (a ?? '').toLowerCase() === (b ?? '').toLowerCase()
}

/** Whether pods of other namespaces may not have the identity. Upstream compares the value with its case, and so do we. */
export function isNamespaced({ metadata }: AzureIdentity): boolean {
  return metadata.annotations?.[podIdentityNames.behaviour] === 'namespaced'
}

/** The identity's id in Resource Manager, in lower case; undefined for a service principal. */
export function machineIdentityId({ spec }: AzureAssignedIdentity): string | undefined {
  const { azureIdentityRef: identity } = spec
  return isUserAssigned(identity) ? identity.spec.resourceID?.toLowerCase() : undefined
}

const identityId =
  /^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+\/providers\/microsoft\.managedidentity\/userassignedidentities\/[^/]+$/i

/** Whether the text is the id of a user-assigned managed identity. */
export function isIdentityId(text: string): boolean {
  return identityId.test(text)
}

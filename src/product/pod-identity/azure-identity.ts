import type { AzureAssignedIdentity, AzureIdentity } from '#kubernetes/client'
import { podIdentityNames } from './names.ts'

/** Values of `spec.type` of an AzureIdentity. */
export const identityTypes = { userAssigned: 0, servicePrincipal: 1, servicePrincipalCertificate: 2 } as const

export function typeOf({ spec }: AzureIdentity): number {
  return spec.type ?? identityTypes.userAssigned
}

/** Whether the identity is one that can be assigned to a machine. */
export function isUserAssigned(identity: AzureIdentity): boolean {
  return typeOf(identity) === identityTypes.userAssigned
}

/** Azure compares ids without their case, everywhere. */
export function sameId(a: string | undefined, b: string | undefined): boolean {
  return (a ?? '').toLowerCase() === (b ?? '').toLowerCase()
}

/** Whether only pods of its namespace may have the identity. The annotation's value is compared with its case, as upstream does. */
export function isNamespaced({ metadata }: AzureIdentity): boolean {
  return metadata.annotations?.[podIdentityNames.behaviour] === 'namespaced'
}

/** The identity's id in Resource Manager, in lower case; undefined for a service principal. */
export function machineIdentityId({ spec }: AzureAssignedIdentity): string | undefined {
  const { azureIdentityRef: identity } = spec
  return isUserAssigned(identity) ? identity.spec.resourceID?.toLowerCase() : undefined
}

/**
 * Names of Azure have no white space: an id with some would be refused by Azure, together with all others of the same
 * request. https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
 */
const identityId =
  /^\/subscriptions\/[^/\s]+\/resourcegroups\/[^/\s]+\/providers\/microsoft\.managedidentity\/userassignedidentities\/[^/\s]+$/i

/** Whether the text is the id of a user-assigned managed identity. */
export function isIdentityId(text: string): boolean {
  return text.length <= 1024 && identityId.test(text)
}

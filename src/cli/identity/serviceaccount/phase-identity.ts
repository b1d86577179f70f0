import { applicationCredentialName, managedCredentialName, subjectOf } from '../names.ts'
import type { PhaseSettings } from './options.ts'
import { requireOneOf } from './phase.ts'

/** Options by which phases know the service account. */
export const accountFlags = ['serviceAccountName', 'serviceAccountNamespace', 'serviceAccountIssuerUrl'] as const
/** Options by which phases find the identity. */
export const identityFlags = [
  'identityType',
  'aadApplicationName',
  'aadApplicationClientId',
  'aadApplicationObjectId',
  'managedIdentityName',
  'managedIdentityResourceGroup',
] as const

export function accountOf({ serviceAccountNamespace, serviceAccountName = '' }: PhaseSettings) {
  return { namespace: serviceAccountNamespace, name: serviceAccountName }
}

/** Issuer, subject and name of the federated credential that the settings ask for. */
export function wantedCredential(settings: PhaseSettings) {
  const account = accountOf(settings)
  const { serviceAccountIssuerUrl: issuer = '', identityType } = settings
  const nameOf = identityType === 'application' ? applicationCredentialName : managedCredentialName
  return { issuer, subject: subjectOf(account), name: nameOf(account, issuer) }
}

export function missingAccountAndIssuer(settings: PhaseSettings): string[] {
  return [
    ...requireOneOf(['--service-account-namespace', settings.serviceAccountNamespace]),
    ...requireOneOf(['--service-account-name', settings.serviceAccountName]),
    ...requireOneOf(['--service-account-issuer-url', settings.serviceAccountIssuerUrl]),
  ]
}

/** By what the identity is found. */
export function missingIdentity(settings: PhaseSettings): string[] {
  if (settings.identityType === 'managed-identity') return missingManagedIdentity(settings)
  return requireOneOf(
    ['--aad-application-name', settings.aadApplicationName],
    ['--aad-application-client-id', settings.aadApplicationClientId],
    ['--aad-application-object-id', settings.aadApplicationObjectId],
  )
}

export function missingPrincipal(settings: PhaseSettings): string[] {
  if (settings.identityType === 'managed-identity') return missingManagedIdentity(settings)
  // Upstream names these two; a name or an id of the application leads to its service principal as well.
  if (missingIdentity(settings).length === 0) return []
  return requireOneOf(
    ['--service-principal-name', settings.servicePrincipalName],
    ['--service-principal-object-id', settings.servicePrincipalObjectId],
  )
}

export function missingManagedIdentity(settings: PhaseSettings): string[] {
  return [
    ...requireOneOf(['--managed-identity-name', settings.managedIdentityName]),
    ...requireOneOf(['--managed-identity-resource-group', settings.managedIdentityResourceGroup]),
  ]
}

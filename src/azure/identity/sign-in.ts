import { Problems } from '#lib'
import { type Credential, chooseBy, rulesOf, type WayName } from './ways/index.ts'
import { clientIdAnnotation, type IdentityParameters, tenantIdAnnotation } from './ways/way.ts'

/**
 * The way to sign in that a class asks for. `default`: workload identity when there is a client id, else the service principal
 * of the volume's `nodePublishSecretRef`. Nothing falls back to a weaker way.
 */
export type SignIn = WayName | 'default'

/** The identity part of a class; empty strings for what it leaves out. */
export interface ClassIdentity {
  signIn: SignIn
  clientId: string
  tenantId: string
  /** Client id of the user-assigned managed identity; empty for the system-assigned one. */
  userAssignedIdentityId: string
}

/** What a volume has besides the class. */
export interface IdentitySources {
  /** Whether the volume has a `nodePublishSecretRef`. */
  hasSecret: boolean
  /** Tenant of classes and service accounts that name none; empty for none. */
  defaultTenantId: string
}

/** Which values have to come from the service account because the class leaves them out. */
export function missingFromClass(
  identity: ClassIdentity,
  { hasSecret, defaultTenantId }: IdentitySources,
): { clientId: boolean; tenantId: boolean } {
  const { clientIdFromAccount, usesTenant } = rulesOf(expectedWay(identity, hasSecret))
  return {
    clientId: identity.clientId === '' && clientIdFromAccount,
    // Where the tenant decides nothing, the default is as good as the service account's.
    tenantId: identity.tenantId === '' && (usesTenant || defaultTenantId === ''),
  }
}

/**
 * The identity of a class for one pod: what the class leaves out comes from the annotations of the pod's service account, then
 * from the default; the class always wins. The provider decides by this, and `keymount identity doctor` predicts by it.
 */
export function completeIdentity(
  identity: ClassIdentity,
  annotations: Readonly<Record<string, string>>,
  sources: IdentitySources,
): ClassIdentity {
  const missing = missingFromClass(identity, sources)
  const fromAccount = (isMissing: boolean, name: string) => (isMissing ? (annotations[name] ?? '').trim() : '')
  return {
    ...identity,
    clientId: identity.clientId || fromAccount(missing.clientId, clientIdAnnotation),
    tenantId: identity.tenantId || fromAccount(missing.tenantId, tenantIdAnnotation) || sources.defaultTenantId,
  }
}

/** The way that a completed identity signs in by. */
export function wayToSignIn({ signIn, clientId }: ClassIdentity): WayName {
  if (signIn !== 'default') return signIn
  return clientId === '' ? 'service-principal' : 'workload'
}

/** The way that is meant before the service account was asked: without a secret, only a client id is missing. */
function expectedWay(identity: ClassIdentity, hasSecret: boolean): WayName {
  const way = wayToSignIn(identity)
  return way === 'service-principal' && !hasSecret ? 'workload' : way
}

export type CredentialChoice = { credential: Credential } | { problems: Problems }

/** The one credential of a completed identity, or what is missing for it. */
export function chooseCredential(identity: ClassIdentity, parameters: IdentityParameters): CredentialChoice {
  const problems = new Problems()
  const credential = chooseBy(wayToSignIn(identity), parameters, problems)
  return credential === undefined ? { problems } : { credential }
}

import { tokenExchangeAudience } from '#azure/identity'
import type { AnyCode } from '#product/error-catalogue'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { managedCredentialName, type ServiceAccountRef, subjectOf } from '../names.ts'
import { type AzureIdentity, credentialCommand } from './azure-facts.ts'
import { type PodOwner, runAs } from './check-pod.ts'
import { matchCredential } from './compare-credentials.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'
import type { SignIn } from './sign-in.ts'

export interface IdentityFacts {
  clientId: string
  tenantId: string
  account: ServiceAccountRef
  /** Whether the service account's own annotation names this identity. */
  isAnnotated: boolean
  owner: PodOwner | undefined
  /** Of the cluster's tokens. */
  issuer: Answer<string>
  identity: Answer<AzureIdentity | undefined>
  /** The tenant that the user is signed in to. */
  ownTenant: Answer<string>
  signIn: SignIn
}

/** https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations */
const mostCredentials = 20

/** The application or managed identity, its federated credential, and whether Entra accepts the service account. */
export function checkIdentity(facts: IdentityFacts): Finding[] {
  const { identity } = facts
  const tenant = checkTenant(facts)
  if ('why' in identity) return [...tenant, unknown('identity', identity.why), checkSignIn(facts)]
  if (identity.value === undefined) return [...tenant, missingIdentity(facts), checkSignIn(facts)]
  const found = identity.value
  return [...tenant, ...checkPrincipal(found), ...checkCredential(found, facts), checkSignIn(facts)]
}

function checkTenant({ tenantId, ownTenant }: IdentityFacts): Finding[] {
  if (tenantId === '') {
    return [note('tenant', 'neither class nor service account names one: the default of provider or webhook applies')]
  }
  if ('why' in ownTenant) return [unknown('tenant', ownTenant.why)]
  if (ownTenant.value.toLowerCase() === tenantId.toLowerCase()) return [ok('tenant', tenantId)]
  const text = `${tenantId} is not the tenant that you are signed in to (${ownTenant.value}), which the rest is about`
  return [note('tenant', text, [`az login --tenant ${tenantId}`])]
}

function missingIdentity({ clientId, tenantId, ownTenant }: IdentityFacts): Finding {
  const isElsewhere =
    'value' in ownTenant && tenantId !== '' && ownTenant.value.toLowerCase() !== tenantId.toLowerCase()
  if (isElsewhere) return unknown('identity', `it is not in your tenant, and you are not signed in to ${tenantId}`)
  const text = `tenant ${tenantId} has no application and no managed identity with client id ${clientId}: it may be an object id, or of a deleted identity`
  return problem('identity', 'entra-app-not-found', text, [
    'az identity list --query "[].{name:name, clientId:clientId}" --output table',
    'az ad app list --all --query "[].{name:displayName, clientId:appId}" --output table',
  ])
}

function checkPrincipal({ kind, name, clientId, principalId }: AzureIdentity): Finding[] {
  if (principalId !== undefined) return [ok('identity', `${kind} "${name}", client ${clientId}`)]
  const text = `${kind} "${name}" has no service principal in this tenant, so it cannot sign in`
  return [problem('identity', 'service-principal-missing', text, [`az ad sp create --id ${clientId}`])]
}

function checkCredential(identity: AzureIdentity, facts: IdentityFacts): Finding[] {
  const { account, issuer } = facts
  if ('why' in issuer) return [unknown('federation', `the issuer could not be found out: ${issuer.why}`)]
  const subject = subjectOf(account)
  const wanted = {
    name: managedCredentialName(account, issuer.value),
    issuer: issuer.value,
    subject,
    audiences: [tokenExchangeAudience],
  }
  const match = matchCredential({ issuer: issuer.value, subject }, identity.credentials)
  if (match.kind === 'match') return [ok('federation', `credential "${match.credential.name}" for ${subject}`)]
  if (match.kind === 'near') {
    const text = `credential "${match.credential.name}" does not fit: ${match.differences.join('; ')}`
    return [problem('federation', codeOf(match.differs), text, [credentialCommand(identity, wanted, match.credential)])]
  }
  return [noCredential(identity, facts, wanted)]
}

/** As Entra reports the difference. */
function codeOf(differs: 'issuer' | 'subject' | 'audience' | 'letters'): AnyCode {
  return differs === 'letters' ? 'entra-subject-case-mismatch' : `entra-${differs}-mismatch`
}

/** A credential gives the service account the rights of the identity, so it is only proposed where that is meant. */
function noCredential(
  identity: AzureIdentity,
  { account, isAnnotated, owner }: IdentityFacts,
  wanted: Parameters<typeof credentialCommand>[1],
): Finding {
  const { issuer, subject } = wanted
  const count = identity.credentials.length
  const elsewhere = identity.credentials.find((one) => one.subject === subject)?.issuer
  const hint = elsewhere === undefined ? '' : ` (one is for the same service account of issuer ${elsewhere})`
  const all =
    ['it has no federated credential', 'its one federated credential is not'][count] ??
    `none of its ${count} federated credentials is`
  const text = `${all} for ${subject} of issuer ${issuer}${hint}`
  if (count >= mostCredentials) {
    return problem(
      'federation',
      'entra-no-federated-credential',
      `${text}, and more than ${mostCredentials} are not possible`,
      listAll(identity),
    )
  }
  const trusted = identity.credentials.filter((one) => one.issuer === issuer).map((one) => one.subject)
  if (account.name === 'default') {
    const advice = 'run the pod as a service account of its own: every pod without one runs as "default"'
    return problem(
      'federation',
      'entra-no-federated-credential',
      `${text}; ${advice}`,
      otherAccounts(trusted, account, owner),
    )
  }
  if (trusted.length === 0 || isAnnotated) {
    return problem('federation', 'entra-no-federated-credential', text, [credentialCommand(identity, wanted)])
  }
  const advice = `it trusts ${trusted.join(', ')} of this cluster: run the pod as that, or let the identity trust this one too, which gives it the rights of the identity`
  const others = otherAccounts(trusted, account, owner)
  return problem(
    'federation',
    'entra-no-federated-credential',
    `${text}; ${advice}`,
    others.length > 0 ? others : listAll(identity),
  )
}

/** Commands that make the pod run as a trusted service account of its namespace. */
function otherAccounts(trusted: readonly string[], account: ServiceAccountRef, owner: PodOwner | undefined): string[] {
  const prefix = subjectOf({ ...account, name: '' })
  return trusted
    .filter((subject) => subject.startsWith(prefix))
    .flatMap((subject) => runAs(owner, account.namespace, subject.slice(prefix.length)))
}

/** Lists them: only their owners know which are no longer needed. */
function listAll({ az }: AzureIdentity): string[] {
  return [commandLine('az', ...az.group, 'federated-credential', 'list', ...az.identity, '--output', 'table')]
}

function checkSignIn({ signIn }: IdentityFacts): Finding {
  switch (signIn.kind) {
    case 'accepted':
      return ok('sign-in', 'Entra has just given a token to the service account')
    case 'refused':
      return problem('sign-in', signIn.code, `tried with a token of the service account: ${signIn.words}`)
    case 'unknown':
      return unknown('sign-in', signIn.why)
    default:
      throw new Error(`unknown outcome ${JSON.stringify(signIn satisfies never)}`)
  }
}

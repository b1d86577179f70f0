import { tokenExchangeAudience } from '#azure/identity'
import { commandLine } from '#terminal'
import type { Answer } from '../../answer.ts'
import { managedCredentialName, type ServiceAccountRef, subjectOf } from '../names.ts'
import { type AzureIdentity, credentialCommand } from './azure-facts.ts'
import { matchCredential } from './compare-credentials.ts'
import { type Finding, note, ok, problem, unknown } from './finding.ts'
import type { SignIn } from './sign-in.ts'

export interface IdentityFacts {
  clientId: string
  tenantId: string
  account: ServiceAccountRef
  /** Of the cluster's tokens. */
  issuer: Answer<string>
  identity: Answer<AzureIdentity | undefined>
  /** The tenant that we are signed in to. */
  ownTenant: Answer<string>
  signIn: SignIn
}

/** https://learn.microsoft.com/entra/workload-id/workload-identity-federation-considerations */
const mostCredentials = 20

/** The application or managed identity, its federated credential, and whether Entra lets the service account in. */
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
    return [
      note('tenant', 'is named neither by class nor by service account: the default of the provider or webhook counts'),
    ]
  }
  if ('why' in ownTenant) return [unknown('tenant', ownTenant.why)]
  if (ownTenant.value.toLowerCase() === tenantId.toLowerCase()) return [ok('tenant', tenantId)]
  const text = `${tenantId} is not the tenant that you are signed in to (${ownTenant.value}); what follows is of yours`
  return [note('tenant', text, [`az login --tenant ${tenantId}`])]
}

function missingIdentity({ clientId, tenantId, ownTenant }: IdentityFacts): Finding {
  const isElsewhere =
    'value' in ownTenant && tenantId !== '' && ownTenant.value.toLowerCase() !== tenantId.toLowerCase()
  if (isElsewhere) return unknown('identity', `it is not in your tenant, and ${tenantId} cannot be looked into`)
  const text = `no application and no managed identity with client id ${clientId} is in tenant ${tenantId}: the object id was taken, or it was deleted`
  return problem('identity', text, [
    'az identity list --query "[].{name:name, clientId:clientId}" --output table',
    'az ad app list --show-mine --query "[].{name:displayName, clientId:appId}" --output table',
  ])
}

function checkPrincipal({ kind, name, clientId, principalId }: AzureIdentity): Finding[] {
  if (principalId !== undefined) return [ok('identity', `${kind} "${name}", client ${clientId}`)]
  const text = `${kind} "${name}" has no service principal in this tenant, so it cannot sign in`
  return [problem('identity', text, [`az ad sp create --id ${clientId}`])]
}

function checkCredential(identity: AzureIdentity, { account, issuer }: IdentityFacts): Finding[] {
  if ('why' in issuer) return [unknown('federation', `the issuer is not known: ${issuer.why}`)]
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
    return [problem('federation', text, [credentialCommand(identity, wanted, match.credential)])]
  }
  const others = identity.credentials.length
  const text = `none of its ${others} federated credentials is for ${subject} of issuer ${issuer.value}`
  const full =
    others < mostCredentials
      ? ''
      : `; more than ${mostCredentials} are not possible, so one that nobody needs has to go`
  return [
    problem('federation', `${text}${full}`, full === '' ? [credentialCommand(identity, wanted)] : listAll(identity)),
  ]
}

/** Which of them nobody needs is for their owners to say. */
function listAll({ az }: AzureIdentity): string[] {
  return [commandLine('az', ...az.group, 'federated-credential', 'list', ...az.identity, '--output', 'table')]
}

function checkSignIn({ signIn }: IdentityFacts): Finding {
  switch (signIn.kind) {
    case 'accepted':
      return ok('sign-in', 'Entra has given a token to the service account, just now')
    case 'refused':
      return problem('sign-in', `tried with a token of the service account: ${signIn.words}`)
    case 'unknown':
      return unknown('sign-in', signIn.why)
    default:
      throw new Error(`unknown outcome ${JSON.stringify(signIn satisfies never)}`)
  }
}

import type { Directory, ServicePrincipal } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import type { AccessTokens } from './access-tokens.ts'
import { EntraRefusal } from './error-response.ts'
import type { AssertionVerifier } from './federated-assertion.ts'
import { applicationTokenSeconds, managedIdentityTokenSeconds } from './limits.ts'
import { isOwnAssertion, type OwnAssertions } from './own-assertion.ts'
import { isAudience } from './resources.ts'
import type { ClientCredentialsForm } from './token-request.ts'

export interface SignInOptions {
  tenant: Tenant
  directory: Directory
  tokens: AccessTokens
  assertions: AssertionVerifier
  ownAssertions: OwnAssertions
  /** Audiences of every service that tokens are issued for. */
  audiences: readonly string[]
}

export interface Grant {
  accessToken: string
  lifetimeSeconds: number
}

export type SignIn = (form: ClientCredentialsForm) => Promise<Grant>

/** The client credentials grant: finds and authenticates the client, checks the resource, and issues a token. Throws {@link EntraRefusal}. */
export function createSignIn(options: SignInOptions): SignIn {
  return async (form) => {
    const principal = findClient(options, form.clientId)
    await authenticate(options, form, principal)
    checkAudience(options, form.audience)
    return issueToken(options, form, principal)
  }
}

function findClient({ directory, tenant }: SignInOptions, clientId: string): ServicePrincipal {
  const principal = directory.servicePrincipalOfApp(clientId)
  if (principal?.accountEnabled === false) {
    const text = `Application '${clientId}'(${principal.displayName}) is disabled.`
    throw new EntraRefusal(401, 'invalid_client', 7000112, text)
  }
  if (principal !== undefined) return principal
  if (directory.application(clientId) !== undefined) {
    throw new EntraRefusal(
      401,
      'unauthorized_client',
      7000229,
      `The client application ${clientId} is missing service principal in the tenant ${tenant.tenantId}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119`,
    )
  }
  throw clientNotFound(clientId, tenant)
}

/** Refuses a client that is not in the tenant. */
export function clientNotFound(clientId: string, { displayName }: Tenant): EntraRefusal {
  return new EntraRefusal(
    400,
    'unauthorized_client',
    700016,
    `Application with identifier '${clientId}' was not found in the directory '${displayName}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
  )
}

async function authenticate(
  { directory, assertions, ownAssertions }: SignInOptions,
  { clientId, proof }: ClientCredentialsForm,
  principal: ServicePrincipal,
): Promise<void> {
  if (proof.kind === 'secret') return checkSecret(directory, clientId, proof.secret)
  if (proof.kind === 'identity-binding') return checkBinding(directory, principal, proof.issuer)
  if (isOwnAssertion(proof.assertion)) return ownAssertions.verify(proof.assertion, clientId)
  const credentials = directory.federatedCredentials.of(principal.appId)
  return assertions.verify(proof.assertion, { clientId, displayName: principal.displayName, credentials })
}

/** The identity still has the federated credential of its bindings. */
function checkBinding({ federatedCredentials }: Directory, { appId }: ServicePrincipal, issuer: string): void {
  if (federatedCredentials.of(appId).some((one) => one.issuer === issuer && one.subject === appId)) return
  const text = `No matching federated identity record found for presented assertion issuer '${issuer}' and subject '${appId}'.`
  throw new EntraRefusal(401, 'invalid_client', 700213, text)
}

function checkSecret(directory: Directory, clientId: string, secret: string): void {
  const verdict = directory.checkPassword(clientId, secret)
  if (verdict === 'expired') {
    throw new EntraRefusal(
      401,
      'invalid_client',
      7000222,
      `The provided client secret keys for app '${clientId}' are expired. Visit the Azure portal to create new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for added security: https://aka.ms/certCreds.`,
    )
  }
  if (verdict === 'wrong') {
    throw new EntraRefusal(
      401,
      'invalid_client',
      7000215,
      `Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '${clientId}'.`,
    )
  }
}

function checkAudience({ audiences, tenant }: SignInOptions, audience: string): void {
  if (isAudience(audience, audiences)) return
  throw new EntraRefusal(
    400,
    'invalid_resource',
    500011,
    `The resource principal named ${audience} was not found in the tenant named ${tenant.displayName}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
  )
}

async function issueToken(
  { tokens }: SignInOptions,
  { audience, proof }: ClientCredentialsForm,
  { appId, id, servicePrincipalType, resourceId }: ServicePrincipal,
): Promise<Grant> {
  const isManaged = servicePrincipalType === 'ManagedIdentity'
  const lifetimeSeconds = isManaged ? managedIdentityTokenSeconds : applicationTokenSeconds
  const appidacr = proof.kind === 'secret' ? '1' : '2'
  const accessToken = await tokens.issue({ audience, appId, objectId: id, appidacr, lifetimeSeconds, resourceId })
  return { accessToken, lifetimeSeconds }
}

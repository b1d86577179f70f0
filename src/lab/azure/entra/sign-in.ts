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

/** Client credentials: who is the client, can it prove it, is the resource known; then a token. Throws {@link EntraRefusal}. */
export function createSignIn({ tenant, directory, tokens, assertions, ownAssertions, audiences }: SignInOptions) {
  function findClient(clientId: string): ServicePrincipal {
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

  async function authenticate({ clientId, proof }: ClientCredentialsForm, principal: ServicePrincipal): Promise<void> {
    if (proof.kind === 'assertion') {
      if (isOwnAssertion(proof.assertion)) return ownAssertions.verify(proof.assertion, clientId)
      const credentials = directory.federatedCredentials.of(principal.appId)
      return assertions.verify(proof.assertion, { clientId, displayName: principal.displayName, credentials })
    }
    const verdict = directory.checkPassword(clientId, proof.secret)
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

  function checkAudience(audience: string): void {
    if (isAudience(audience, audiences)) return
    throw new EntraRefusal(
      400,
      'invalid_resource',
      500011,
      `The resource principal named ${audience} was not found in the tenant named ${tenant.displayName}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.`,
    )
  }

  return async (form: ClientCredentialsForm): Promise<Grant> => {
    const principal = findClient(form.clientId)
    await authenticate(form, principal)
    checkAudience(form.audience)
    const isManaged = principal.servicePrincipalType === 'ManagedIdentity'
    const lifetimeSeconds = isManaged ? managedIdentityTokenSeconds : applicationTokenSeconds
    const accessToken = await tokens.issue({
      audience: form.audience,
      appId: principal.appId,
      objectId: principal.id,
      appidacr: form.proof.kind === 'secret' ? '1' : '2',
      lifetimeSeconds,
      resourceId: principal.resourceId,
    })
    return { accessToken, lifetimeSeconds }
  }
}

/** The refusal of a client that the tenant does not know. */
export function clientNotFound(clientId: string, { displayName }: Tenant): EntraRefusal {
  return new EntraRefusal(
    400,
    'unauthorized_client',
    700016,
    `Application with identifier '${clientId}' was not found in the directory '${displayName}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.`,
  )
}

import { HttpFault, type HttpResponse, type HttpSend } from '#lib/http'
import { type AccessToken, readTokenAnswer } from './access-token.ts'
import type { Cloud } from './cloud.ts'
import { entraError } from './entra-error.ts'
import { IdentityError } from './identity-error.ts'
import type { TokenRequest, TokenTransport } from './token-request.ts'
import type { Who } from './who.ts'

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential */
export function assertionFields(assertion: string): Record<string, string> {
  return { client_assertion_type: jwtBearer, client_assertion: assertion }
}

export function tokenEndpoint(tenantId: string, { authority }: Cloud): URL {
  // AD FS on Azure Stack Hub has no tenants and no v2.0 endpoint.
  const path =
    tenantId.toLowerCase() === 'adfs' ? 'adfs/oauth2/token' : `${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  return new URL(`${authority}/${path}`)
}

/**
 * Names an application where Entra counts its sign-ins: one of a tenant. Empty for identities whose tokens do not come from Entra.
 */
export function applicationOf(
  { tenantId, clientId }: { tenantId: string; clientId?: string | undefined },
  cloud: Cloud,
): string {
  return `${tokenEndpoint(tenantId, cloud).pathname} ${clientId ?? ''}`
}

export interface TokenExchange {
  who: Who
  request: TokenRequest
  send: HttpSend
  clock: TokenTransport['clock']
  /** Fields of the form that prove the identity. */
  proof: Record<string, string>
}

/**
 * One request to Entra. The token endpoint's address is known from the authority, so the two discovery requests that MSAL
 * makes first are not made (docs/decisions/0002-own-token-and-vault-client.md has the measurement).
 */
export async function exchangeToken({ who, request, send, clock, proof }: TokenExchange): Promise<AccessToken> {
  const { cloud, resource, signal } = request
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: who.clientId,
    scope: `${resource}/.default`,
    ...proof,
  }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  const url = tokenEndpoint(who.tenantId, cloud)
  let response: HttpResponse
  try {
    response = await send({
      method: 'POST',
      url,
      headers,
      body,
      signal,
      throttleKey: applicationOf(who, cloud),
    })
  } catch (error) {
    throw unreachable(who, cloud, error)
  }
  if (response.status !== 200) throw entraError(who, cloud.authority, response)
  return readTokenAnswer(response.body, clock)
}

function unreachable(who: Who, cloud: Cloud, error: unknown): unknown {
  if (!(error instanceof HttpFault) || error.code === 'aborted') return error
  const code = error.code === 'throttled' ? 'entra-throttled' : 'entra-unreachable'
  const message = `cannot sign in at ${cloud.authority}: ${error.message}; check egress to it from a hostNetwork pod of this node; signed in as ${who.description}`
  return new IdentityError(code, message, { cause: error, retryable: true })
}

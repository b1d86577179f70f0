import { type Clock, systemClock } from '#lib'
import { HttpFault, type HttpResponse, type HttpSend } from '#lib/http'
import { type AccessToken, readTokenAnswer } from './access-token.ts'
import type { Cloud } from './cloud.ts'
import type {
  Credential,
  IdentityBindingCredential,
  ServicePrincipalCredential,
  WorkloadCredential,
} from './credential.ts'
import { describeCredential } from './credential.ts'
import { entraError } from './entra-error.ts'
import { IdentityError } from './identity-error.ts'
import { requestManagedIdentityToken } from './managed-identity.ts'
import { requestPodIdentityToken } from './pod-identity.ts'
import { signClientAssertion } from './sign-client-assertion.ts'
import type { TokenRequest } from './token-request.ts'

export type AcquireToken = (credential: Credential, request: TokenRequest) => Promise<AccessToken>

export interface AcquireTokenOptions {
  /** Reaches Entra; retries by itself. */
  send: HttpSend
  /** Reaches the services of the node (IMDS, NMI), never through a proxy. */
  sendOnNode: HttpSend
  /** Reaches Entra through the cluster's token proxy. Opened by the first identity binding that asks. */
  sendThroughTokenProxy?: HttpSend
  /** Default `http://169.254.169.254`. */
  imdsEndpoint?: string
  /** Default `http://127.0.0.1:2579`: NMI listens on IPv4 only, and `localhost` may resolve to `::1` first. */
  nmiEndpoint?: string
  clock?: Clock
}

/**
 * One request to whoever gives the token. The token endpoint's address is known from the authority, so the two discovery
 * requests that MSAL makes first are not made (docs/decisions/0002-own-token-and-vault-client.md has the measurement).
 */
export function createAcquireToken(options: AcquireTokenOptions): AcquireToken {
  const { send, sendOnNode, sendThroughTokenProxy, clock = systemClock } = options
  const { imdsEndpoint = 'http://169.254.169.254', nmiEndpoint = 'http://127.0.0.1:2579' } = options
  return async (credential, request) => {
    switch (credential.kind) {
      case 'workload':
        return exchange({ credential, request, send, clock }, assertionFields(credential))
      case 'identity-binding':
        if (sendThroughTokenProxy === undefined) {
          throw new IdentityError(
            'token-proxy-unavailable',
            'proxy transport not available: no token proxy is configured',
          )
        }
        return exchange({ credential, request, send: sendThroughTokenProxy, clock }, assertionFields(credential))
      case 'service-principal':
        return exchange({ credential, request, send, clock }, await proofFields(credential, request.cloud, clock))
      case 'managed':
        return requestManagedIdentityToken(credential, { ...request, send: sendOnNode, endpoint: imdsEndpoint, clock })
      case 'pod-identity':
        return requestPodIdentityToken(credential, { ...request, send: sendOnNode, endpoint: nmiEndpoint, clock })
      default:
        throw new Error(`unknown credential ${JSON.stringify(credential satisfies never)}`)
    }
  }
}

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow#third-case-access-token-request-with-a-federated-credential */
function assertionFields({ assertion }: WorkloadCredential | IdentityBindingCredential): Record<string, string> {
  return { client_assertion_type: jwtBearer, client_assertion: assertion.token.revealText() }
}

async function proofFields(
  credential: ServicePrincipalCredential,
  cloud: Cloud,
  clock: Clock,
): Promise<Record<string, string>> {
  const { proof } = credential
  if (proof.kind === 'secret') return { client_secret: proof.secret.revealText() }
  const assertion = await signClientAssertion(credential, { audience: tokenEndpoint(credential, cloud).href, clock })
  return { client_assertion_type: jwtBearer, client_assertion: assertion.revealText() }
}

function tokenEndpoint({ tenantId }: Credential, { authority }: Cloud): URL {
  // AD FS on Azure Stack Hub has no tenants and no v2.0 endpoint.
  const path =
    tenantId.toLowerCase() === 'adfs' ? 'adfs/oauth2/token' : `${encodeURIComponent(tenantId)}/oauth2/v2.0/token`
  return new URL(`${authority}/${path}`)
}

interface Exchange {
  credential: WorkloadCredential | IdentityBindingCredential | ServicePrincipalCredential
  request: TokenRequest
  send: HttpSend
  clock: Clock
}

async function exchange({ credential, request, send, clock }: Exchange, proof: Record<string, string>) {
  const { cloud, resource, signal } = request
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: credential.clientId,
    scope: `${resource}/.default`,
    ...proof,
  }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded', accept: 'application/json' }
  const url = tokenEndpoint(credential, cloud)
  let response: HttpResponse
  try {
    response = await send({ method: 'POST', url, headers, body, signal })
  } catch (error) {
    throw unreachable(credential, cloud, error)
  }
  if (response.status !== 200) throw entraError(credential, cloud.authority, response)
  return readTokenAnswer(response.body, clock)
}

function unreachable(credential: Credential, cloud: Cloud, error: unknown): unknown {
  if (!(error instanceof HttpFault) || error.kind === 'aborted') return error
  const code = error.kind === 'throttled' ? 'entra-throttled' : 'entra-unreachable'
  const message = `cannot sign in at ${cloud.authority}: ${error.message}; ${describeCredential(credential)}`
  return new IdentityError(code, message, { cause: error, passing: true })
}

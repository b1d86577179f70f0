import { retry } from '#lib/async'
import { HttpFault, type HttpResponse } from '#lib/http'
import { type AccessToken, readTokenAnswer } from './access-token.ts'
import { describeCredential, type ManagedCredential } from './credential.ts'
import { IdentityError } from './identity-error.ts'
import type { NodeTokenRequest } from './token-request.ts'

/**
 * The instance metadata service: https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 * It answers 404, 410, 429 and 5xx while it starts or is busy; those pass. A 400 is final: the identity is not on this node.
 */
export async function requestManagedIdentityToken(
  credential: ManagedCredential,
  request: NodeTokenRequest,
): Promise<AccessToken> {
  const url = new URL('/metadata/identity/oauth2/token', request.endpoint)
  url.searchParams.set('api-version', '2018-02-01')
  url.searchParams.set('resource', request.resource)
  if (credential.clientId !== undefined) url.searchParams.set('client_id', credential.clientId)
  const ask = async () => {
    const response = await request.send({ url, headers: { metadata: 'true' }, signal: request.signal })
    if (response.status !== 200) throw refusal(credential, request.endpoint, response)
    return readTokenAnswer(response.body, request.clock)
  }
  try {
    return await retry(ask, {
      attempts: 5,
      initialMs: 1000,
      clock: request.clock,
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      shouldRetry: (error) => (error instanceof IdentityError ? error.passing : isPassingFault(error)),
    })
  } catch (error) {
    if (!(error instanceof HttpFault) || error.kind === 'aborted') throw error
    const message = `the instance metadata service at ${request.endpoint} cannot be reached (${error.message}); useVMManagedIdentity works on Azure nodes only; ${describeCredential(credential)}`
    throw new IdentityError('managed-identity-unreachable', message, { cause: error, passing: true })
  }
}

function isPassingFault(error: unknown): boolean {
  return error instanceof HttpFault && (error.kind === 'timeout' || error.kind === 'connection')
}

function refusal(credential: ManagedCredential, endpoint: string, { status, body }: HttpResponse): IdentityError {
  const said = body.toString('utf8').slice(0, 300)
  const text = `ManagedIdentityCredential authentication failed. ${endpoint} answered ${status}: ${said}; ${describeCredential(credential)}`
  if (/multiple user assigned identities/i.test(said)) {
    return new IdentityError(
      'managed-identity-ambiguous',
      `${text}; set userAssignedIdentityID to the client id of one of them`,
    )
  }
  if (status === 400) {
    const advice =
      credential.clientId === undefined
        ? 'the requested identity isn’t assigned to this resource: switch on the system-assigned identity of the node, or set userAssignedIdentityID'
        : 'the requested identity isn’t assigned to this resource: az vmss identity assign; userAssignedIdentityID takes the client id, not the object id'
    return new IdentityError('managed-identity-not-assigned', `${text}; ${advice}`)
  }
  const passing = status === 404 || status === 410 || status === 429 || status >= 500
  return new IdentityError('managed-identity-unreachable', text, { passing })
}

import { retry } from '#lib/async'
import { HttpFault, type HttpResponse } from '#lib/http'
import { type AccessToken, readTokenAnswer } from '../access-token.ts'
import { IdentityError } from '../identity-error.ts'
import type { TokenRequest, TokenTransport } from '../token-request.ts'
import type { Way } from './way.ts'

/** An identity of the node, from the instance metadata service. Without a client id: the system-assigned one. */
export interface ManagedCredential {
  kind: 'managed'
  tenantId: string
  clientId: string | undefined
}

export const managed: Way<ManagedCredential> = {
  kind: 'managed',
  parameter: {
    name: 'useVMManagedIdentity',
    since: '0.0.5',
    meaning: 'Sign in as a managed identity of the node, where the provider’s --managed-identities allows it.',
  },
  manner: 'as the node (useVMManagedIdentity): nothing about the pod matters',
  clientIdFromAccount: false,
  usesTenant: false,
  choose: ({ tenantId, userAssignedIdentityId }) => ({
    kind: 'managed',
    tenantId,
    clientId: userAssignedIdentityId === '' ? undefined : userAssignedIdentityId,
  }),
  describe,
  key: async ({ clientId = '' }) => ({ parts: [clientId], proof: 'sign-in' }),
  acquire,
}

function describe({ clientId }: ManagedCredential): string {
  return clientId === undefined
    ? 'system-assigned managed identity of the node'
    : `user-assigned managed identity ${clientId}`
}

/**
 * https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
 * The service answers 404, 410, 429 and 5xx while it starts or is busy; those pass. A 400 is final: the identity is not on
 * this node.
 */
async function acquire(
  credential: ManagedCredential,
  { resource, signal }: TokenRequest,
  { sendOnNode, imdsEndpoint, clock }: TokenTransport,
): Promise<AccessToken> {
  const url = new URL('/metadata/identity/oauth2/token', imdsEndpoint)
  url.searchParams.set('api-version', '2018-02-01')
  url.searchParams.set('resource', resource)
  if (credential.clientId !== undefined) url.searchParams.set('client_id', credential.clientId)
  const ask = async () => {
    const response = await sendOnNode({ url, headers: { metadata: 'true' }, signal })
    if (response.status !== 200) throw refusal(credential, imdsEndpoint, response)
    return readTokenAnswer(response.body, clock)
  }
  try {
    return await retry(ask, {
      attempts: 5,
      initialMs: 1000,
      clock,
      signal,
      shouldRetry: (error) => (error instanceof IdentityError ? error.retryable : isPassingFault(error)),
    })
  } catch (error) {
    if (!(error instanceof HttpFault) || error.code === 'aborted') throw error
    const message = `the instance metadata service at ${imdsEndpoint} cannot be reached (${error.message}); useVMManagedIdentity works on Azure nodes only; ${describe(credential)}`
    throw new IdentityError('managed-identity-unreachable', message, { cause: error, retryable: true })
  }
}

function isPassingFault(error: unknown): boolean {
  return error instanceof HttpFault && (error.code === 'timeout' || error.code === 'connection')
}

function refusal(credential: ManagedCredential, endpoint: string, { status, body }: HttpResponse): IdentityError {
  const answer = body.toString('utf8').slice(0, 300)
  const text = `ManagedIdentityCredential authentication failed. ${endpoint} answered ${status}: ${answer}; ${describe(credential)}`
  if (/multiple user assigned identities/i.test(answer)) {
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
  const retryable = status === 404 || status === 410 || status === 429 || status >= 500
  return new IdentityError('managed-identity-unreachable', text, { retryable })
}

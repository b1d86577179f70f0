import { type Clock, SecretValue } from '#lib'
import { HttpFault, type HttpResponse } from '#lib/http'
import { type AccessToken, parseTokenAnswer } from '../access-token.ts'
import { IdentityError } from '../identity-error.ts'
import type { TokenRequest, TokenTransport } from '../token-request.ts'
import type { Way } from './way.ts'

/** AAD Pod Identity: the node agent (NMI) hands out the token that its bindings give to this pod. */
export interface PodIdentityCredential {
  kind: 'pod-identity'
  tenantId: string
  podName: string
  podNamespace: string
}

export const podIdentity: Way<PodIdentityCredential> = {
  kind: 'pod-identity',
  parameter: {
    name: 'usePodIdentity',
    since: '0.0.1',
    meaning: 'Sign in by AAD Pod Identity.',
    deprecated: 'clientID',
  },
  manner: 'by pod identity (usePodIdentity), which upstream has retired',
  clientIdFromAccount: false,
  usesTenant: false,
  choose: ({ tenantId, podName, podNamespace }) => ({ kind: 'pod-identity', tenantId, podName, podNamespace }),
  describe,
  key: async ({ podNamespace, podName }) => ({ parts: [podNamespace, podName], proof: 'sign-in' }),
  acquire,
}

function describe({ podNamespace, podName }: PodIdentityCredential): string {
  return `pod identity of pod ${podNamespace}/${podName}`
}

/**
 * The host endpoint of NMI. It blocks while an identity is being assigned to the node, which may take tens of seconds,
 * so one request with a long wait and no retry: https://azure.github.io/aad-pod-identity/docs/configure/standard_to_managed_mode/
 */
async function acquire(
  credential: PodIdentityCredential,
  { resource, signal }: TokenRequest,
  { sendOnNode, nmiEndpoint: endpoint, clock }: TokenTransport,
): Promise<AccessToken> {
  const url = new URL('/host/token/', endpoint)
  url.searchParams.set('resource', resource)
  const headers = { podname: credential.podName, podns: credential.podNamespace }
  const who = describe(credential)
  let response: HttpResponse
  try {
    response = await sendOnNode({ url, headers, signal, timeoutMs: 90_000 })
  } catch (error) {
    if (!(error instanceof HttpFault) || error.code === 'aborted') throw error
    throw new IdentityError(
      'pod-identity-unreachable',
      `NMI at ${endpoint} cannot be reached (${error.message}); ${who}`,
      {
        cause: error,
        retryable: true,
      },
    )
  }
  if (response.status !== 200) {
    const answer = response.body.toString('utf8').slice(0, 300)
    const text = `nmi response failed with status code: ${response.status}, response body: ${answer}; ${who}`
    const notBound = response.status === 404
    const advice = notBound
      ? '; is there an AzureIdentityBinding whose selector is the pod’s aadpodidbinding label?'
      : ''
    throw new IdentityError(notBound ? 'pod-identity-not-bound' : 'pod-identity-unreachable', text + advice, {
      retryable: response.status >= 500,
    })
  }
  return readAnswer(response.body, clock)
}

/** `{"token":{"access_token":…,"expires_on":…},"clientid":…}`; names in any case, numbers as numbers or strings. */
function readAnswer(body: Buffer, clock: Clock): AccessToken {
  const answer = lowerCased(parseTokenAnswer(body))
  const token = lowerCased(answer.token)
  const value = token.access_token
  if (typeof value !== 'string' || value === '' || typeof answer.clientid !== 'string' || answer.clientid === '') {
    throw new IdentityError(
      'pod-identity-unreachable',
      'nmi did not return expected values in response: token and clientid',
    )
  }
  const expiresOn = Number(token.expires_on)
  return { token: SecretValue.of(value), expiresAt: Number.isFinite(expiresOn) ? expiresOn * 1000 : clock.now() }
}

function lowerCased(value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return {}
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key.toLowerCase(), inner]))
}

import { errorMessage, SecretValue } from '#lib'
import { parseJson, recordOf, stringOf, valueAt } from '#lib/formats'

/** Audience of the token that Entra exchanges; the same in every cloud. */
export const tokenExchangeAudience = 'api://AzureADTokenExchange'
/** Audience of the token that the cluster's token proxy exchanges. */
export const identityBindingAudience = 'api://AKSIdentityBinding'

/** A Kubernetes service account token with its claims. Nothing is verified here: Entra does that. */
export interface ServiceAccountToken {
  token: SecretValue
  claims: TokenClaims
}

export interface TokenClaims {
  issuer: string
  /** `system:serviceaccount:NAMESPACE:NAME` */
  subject: string
  audiences: readonly string[]
  /** Milliseconds since the epoch; undefined for a token without the claim. */
  expiresAt: number | undefined
  /** UID of the service account; undefined for a token without the claim. */
  accountUid?: string | undefined
}

/**
 * The token for the first of `audiences` that there is one for, in the JSON that kubelet hands to CSI drivers:
 * `{"AUDIENCE":{"token":…,"expirationTimestamp":…}}`. Throws in the words of upstream.
 * https://kubernetes-csi.github.io/docs/token-requests.html
 */
export function parseServiceAccountTokens(json: string, audiences: readonly string[]): ServiceAccountToken {
  if (json.trim() === '') throw new Error('service account tokens not found')
  const tokens = parseTokensJson(json)
  const entry = audiences.map((audience) => tokens.get(audience)).find((token) => token !== undefined && token !== '')
  if (entry === undefined) {
    const found = tokens.size === 0 ? 'none' : [...tokens.keys()].join(', ')
    throw new Error(
      `token for audience ${audiences.join(' or ')} not found (found: ${found}; the CSIDriver object's tokenRequests must name this audience)`,
    )
  }
  return { token: SecretValue.of(entry), claims: readTokenClaims(entry) }
}

/** For whom a token was made, as it claims. */
export interface TokenHolder {
  namespace: string
  /** Undefined for a token that is not bound to a pod. */
  podName: string | undefined
}

/** The holders of all tokens in kubelet's JSON that name one; none for text that is not such JSON. */
export function tokenHolders(json: string): TokenHolder[] {
  let tokens: Iterable<string>
  try {
    tokens = json.trim() === '' ? [] : parseTokensJson(json).values()
  } catch {
    return []
  }
  return [...tokens].flatMap((token) => {
    const payload = decodePayload(token)
    const [, namespace] = /^system:serviceaccount:([^:]+):[^:]+$/.exec(stringOf(payload.sub) ?? '') ?? []
    return namespace === undefined
      ? []
      : [{ namespace, podName: stringOf(valueAt(payload, 'kubernetes.io', 'pod', 'name')) }]
  })
}

function parseTokensJson(json: string): Map<string, string> {
  const fail = (reason: string) => new Error(`failed to unmarshal service account tokens, error: ${reason}`)
  let parsed: unknown
  try {
    parsed = parseJson('the value', json)
  } catch (error) {
    throw fail(errorMessage(error))
  }
  const entries = recordOf(parsed)
  if (entries === undefined) throw fail('expected a JSON object, audience to token')
  const tokens = new Map<string, string>()
  for (const [audience, value] of Object.entries(entries)) {
    // Go matches the names of members in any case.
    const members = new Map(Object.entries((value ?? {}) as object).map(([key, inner]) => [key.toLowerCase(), inner]))
    const token: unknown = members.get('token') ?? ''
    if (typeof value !== 'object' || typeof token !== 'string') {
      throw fail(`${audience}: token is not a string`)
    }
    tokens.set(audience, token)
  }
  return tokens
}

/** The claims of a JWT. Text that is not a JWT has none: Entra's own answer is the better message then. */
export function readTokenClaims(token: string): TokenClaims {
  const payload = decodePayload(token)
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const audience = payload.aud
  const expiry = payload.exp
  return {
    issuer: text(payload.iss),
    subject: text(payload.sub),
    audiences: (Array.isArray(audience) ? audience : [audience]).filter((one) => typeof one === 'string'),
    expiresAt: typeof expiry === 'number' ? expiry * 1000 : undefined,
    accountUid: stringOf(valueAt(payload, 'kubernetes.io', 'serviceaccount', 'uid')),
  }
}

function decodePayload(token: string): Record<string, unknown> {
  try {
    return recordOf(parseJson('the token', Buffer.from(token.split('.')[1] ?? '', 'base64url'))) ?? {}
  } catch {
    return {}
  }
}

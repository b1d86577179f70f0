import { SecretValue } from '#lib'

/** Audience of the token that Entra exchanges; the same in every cloud. */
export const tokenExchangeAudience = 'api://AzureADTokenExchange'
/** Audience of the token that the cluster's token proxy exchanges. */
export const identityBindingAudience = 'api://AKSIdentityBinding'

/** A Kubernetes service account token with what it says of itself. Nothing is verified here: Entra does that. */
export interface ServiceAccountToken {
  token: SecretValue
  claims: TokenClaims
}

export interface TokenClaims {
  issuer: string
  /** `system:serviceaccount:NAMESPACE:NAME` */
  subject: string
  audiences: readonly string[]
  /** Milliseconds since the epoch; undefined when the token does not say. */
  expiresAt: number | undefined
}

/**
 * The token for `audience` in the JSON that kubelet hands to CSI drivers: `{"AUDIENCE":{"token":…,"expirationTimestamp":…}}`.
 * Throws with the words that people of the field look for.
 * https://kubernetes-csi.github.io/docs/token-requests.html
 */
export function parseServiceAccountTokens(json: string, audience: string): ServiceAccountToken {
  if (json.trim() === '') throw new Error('service account tokens not found')
  const tokens = parseTokensJson(json)
  const entry = tokens.get(audience)
  if (entry === undefined || entry === '') {
    const found = tokens.size === 0 ? 'none' : [...tokens.keys()].join(', ')
    throw new Error(
      `token for audience ${audience} not found (found: ${found}; the CSIDriver object's tokenRequests must name this audience)`,
    )
  }
  return { token: SecretValue.of(entry), claims: readTokenClaims(entry) }
}

function parseTokensJson(json: string): Map<string, string> {
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch {
    // JSON.parse quotes the text it stumbled over; here that text holds tokens.
    throw new Error('failed to unmarshal service account tokens, error: not valid JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new Error('failed to unmarshal service account tokens, error: expected a JSON object, audience to token')
  }
  const tokens = new Map<string, string>()
  for (const [audience, value] of Object.entries(parsed)) {
    // Go matches the names of members in any case.
    const members = new Map(Object.entries((value ?? {}) as object).map(([key, inner]) => [key.toLowerCase(), inner]))
    const token: unknown = members.get('token') ?? ''
    if (typeof value !== 'object' || typeof token !== 'string') {
      throw new Error(`failed to unmarshal service account tokens, error: ${audience}: token is not a string`)
    }
    tokens.set(audience, token)
  }
  return tokens
}

/** What a JWT claims. A token that is no JWT claims nothing: Entra's own answer is the better message then. */
export function readTokenClaims(token: string): TokenClaims {
  const payload = decodePayload(token)
  const text = (value: unknown) => (typeof value === 'string' ? value : '')
  const audience = payload['aud']
  const expiry = payload['exp']
  return {
    issuer: text(payload['iss']),
    subject: text(payload['sub']),
    audiences: (Array.isArray(audience) ? audience : [audience]).filter((one) => typeof one === 'string'),
    expiresAt: typeof expiry === 'number' ? expiry * 1000 : undefined,
  }
}

function decodePayload(token: string): Record<string, unknown> {
  try {
    const payload: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
    return typeof payload === 'object' && payload !== null ? (payload as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

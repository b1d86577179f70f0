import { EntraRefusal } from './error-response.ts'

/** A client_credentials request, whose form has been checked. */
export interface ClientCredentialsForm {
  clientId: string
  /** The `aud` of the token. */
  audience: string
  proof:
    | { kind: 'secret'; secret: string }
    | { kind: 'assertion'; assertion: string }
    /** AKS vouches for the caller; no request from outside has it. */
    | { kind: 'identity-binding'; issuer: string }
}

const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

/** Reads the form of the v1 (`resource`) or v2 (`scope`) token endpoint. Throws the first {@link EntraRefusal}, in Entra's order. */
export function parseTokenRequest(form: URLSearchParams, version: 'v1' | 'v2'): ClientCredentialsForm {
  const grantType = requiredField(form, 'grant_type')
  if (grantType !== 'client_credentials') {
    throw new EntraRefusal(
      400,
      'unsupported_grant_type',
      70003,
      `The app requested an unsupported grant type '${grantType}'.`,
    )
  }
  const clientId = requiredField(form, 'client_id').toLowerCase()
  const audience = version === 'v1' ? requiredField(form, 'resource') : audienceOfScope(requiredField(form, 'scope'))
  return { clientId, audience, proof: proofOf(form) }
}

function proofOf(form: URLSearchParams): ClientCredentialsForm['proof'] {
  const assertion = form.get('client_assertion')
  if (assertion !== null) {
    const type = requiredField(form, 'client_assertion_type')
    if (type !== assertionType) {
      throw new EntraRefusal(
        400,
        'invalid_request',
        90023,
        `The parameter 'client_assertion_type' must be '${assertionType}'.`,
      )
    }
    return { kind: 'assertion', assertion }
  }
  const secret = form.get('client_secret')
  if (secret !== null) return { kind: 'secret', secret }
  throw noProof()
}

/** Refuses a client that does not authenticate itself. */
export function noProof(): EntraRefusal {
  return new EntraRefusal(
    401,
    'invalid_client',
    7000218,
    "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
  )
}

/** Reserved by OpenID Connect and not resources; MSAL for Go adds them to every request. */
const reservedScopes: ReadonlySet<string> = new Set(['openid', 'profile', 'offline_access', 'email'])

/** The resource of `RESOURCE/.default`, with its own trailing slash: `https://x//.default` is for `https://x/`. */
function audienceOfScope(scope: string): string {
  const scopes = scope.split(' ').filter((part) => part !== '' && !reservedScopes.has(part))
  const [first = ''] = scopes
  if (scopes.length > 1) {
    throw new EntraRefusal(
      400,
      'invalid_scope',
      70011,
      `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
    )
  }
  if (!first.endsWith('/.default') || first === '/.default') {
    throw new EntraRefusal(
      400,
      'invalid_scope',
      1002012,
      `The provided value for scope ${scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).`,
    )
  }
  return first.slice(0, -'/.default'.length)
}

/** The value of a field that the request must have. Throws {@link EntraRefusal} 900144. */
export function requiredField(form: URLSearchParams, name: string): string {
  const value = form.get(name)
  if (value !== null && value !== '') return value
  throw new EntraRefusal(
    400,
    'invalid_request',
    900144,
    `The request body must contain the following parameter: '${name}'.`,
  )
}

import { ImdsError } from './imds-error.ts'

/** Where every machine of Azure finds its metadata. */
export const metadataAddress = '169.254.169.254'

/** What a request to the address of IMDS is about. */
export type ImdsRequest =
  | { kind: 'ready' }
  | { kind: 'token'; query: URLSearchParams }
  /** Path and query as they came, for the real IMDS. */
  | { kind: 'other'; target: string }

/** Sorts a request by its target. Only `metadata` is compared in any case, as upstream does. Throws {@link ImdsError}. */
export function sortRequest(requestTarget: string): ImdsRequest {
  const target = originForm(requestTarget)
  const end = target.indexOf('?')
  const path = decoded(end < 0 ? target : target.slice(0, end))
  if (/^\/readyz\/?$/.test(path)) return { kind: 'ready' }
  if (/^\/[Mm][Ee][Tt][Aa][Dd][Aa][Tt][Aa]\/identity\/oauth2\/token(\/|$)/.test(path)) {
    return { kind: 'token', query: new URLSearchParams(end < 0 ? '' : target.slice(end + 1)) }
  }
  return { kind: 'other', target }
}

/** Never parsed as a URL: `//host/path` is a path of ours and no other host. https://www.rfc-editor.org/rfc/rfc9112#name-request-target */
function originForm(target: string): string {
  if (target.startsWith('/')) return target
  const absolute = /^https?:\/\/[^/?#]*(.*)$/i.exec(target)
  if (absolute === null) throw new ImdsError(400, 'invalid_request', 'The request target is no path')
  const rest = absolute[1] ?? ''
  return rest.startsWith('/') ? rest : `/${rest}`
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path)
  } catch {
    return path
  }
}

/** A token that an application asks for. */
export interface TokenRequest {
  clientId: string
  /** As it was asked for; the answer repeats it. */
  resource: string
}

export interface TokenRequestRules {
  /** Of applications that name no client; empty for none. */
  defaultClientId: string
  /** Refuse requests without `Metadata: true`, as IMDS does, so that nobody can trick a server of the pod into asking. */
  requireMetadataHeader: boolean
}

interface RequestHead {
  method: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  query: URLSearchParams
}

/** Visible characters of ASCII: client ids, URIs and GUIDs have no others. */
const plainWord = /^[\x21-\x7e]{1,2048}$/

/**
 * Reads a token request. `api-version`, `object_id` and `msi_res_id` are of no consequence: a client id is the only name by
 * which workload identity knows an identity. Throws {@link ImdsError}.
 */
export function parseTokenRequest({ method, headers, query }: RequestHead, rules: TokenRequestRules): TokenRequest {
  if (method !== 'GET') {
    throw new ImdsError(405, 'method_not_allowed', `Found ${method}, expected GET`, { allow: 'GET' })
  }
  // IMDS refuses what passed a proxy: such a request comes from outside of the machine.
  if (headers['x-forwarded-for'] !== undefined) {
    throw new ImdsError(400, 'invalid_request', 'Requests with the header X-Forwarded-For are not answered')
  }
  if (rules.requireMetadataHeader && String(headers['metadata']).toLowerCase() !== 'true') {
    throw new ImdsError(400, 'invalid_request', 'Required metadata header not specified')
  }
  const clientId = query.get('client_id') || rules.defaultClientId
  if (clientId === '') {
    const words = 'The client_id parameter or AZURE_CLIENT_ID environment variable must be set'
    throw new ImdsError(400, 'invalid_request', words)
  }
  const resource = query.get('resource') ?? ''
  if (resource === '') throw new ImdsError(400, 'invalid_request', 'The resource parameter is required.')
  if (!plainWord.test(clientId)) {
    throw new ImdsError(400, 'invalid_request', 'client_id: expected the client id of an identity')
  }
  if (!plainWord.test(resource)) {
    throw new ImdsError(400, 'invalid_resource', 'resource: expected a URI such as https://vault.azure.net')
  }
  return { clientId, resource }
}

/**
 * For whom Entra is to make the token. A slash at the end stays: Entra takes what is before the last slash of the scope as
 * the audience, so that `https://vault.azure.net/` needs the scope `https://vault.azure.net//.default`.
 */
export function audienceOf(resource: string): string {
  return resource.replace(/\/\.default$/, '')
}

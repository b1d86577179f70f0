import { ImdsRefusal, parseTokenQuery, refuseForwarded, requireMetadataHeader } from '#product/imds'

/** A token that an application requests. */
export interface ProxyTokenRequest {
  clientId: string
  /** As it was requested; the answer repeats it. */
  resource: string
}

export interface TokenRequestRules {
  /** For applications that name no client; empty for none. */
  defaultClientId: string
  /** Refuse requests without `Metadata: true`, as IMDS does, so that a server in the pod cannot be tricked into asking. */
  requireMetadataHeader: boolean
}

interface RequestHead {
  method: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  query: URLSearchParams
}

/** Visible ASCII characters: client ids, URIs and GUIDs have no others. */
const plainWord = /^[\x21-\x7e]{1,2048}$/

/**
 * Reads a token request. `api-version`, `object_id` and `msi_res_id` are ignored: workload identity knows an identity by its
 * client id only. Throws `ImdsRefusal`.
 */
export function parseTokenRequest(
  { method, headers, query }: RequestHead,
  rules: TokenRequestRules,
): ProxyTokenRequest {
  if (method !== 'GET') {
    throw new ImdsRefusal(405, 'method_not_allowed', `Found ${method}, expected GET`, { headers: { allow: 'GET' } })
  }
  refuseForwarded(headers)
  if (rules.requireMetadataHeader) requireMetadataHeader(headers, 'any case')
  const { clientId: named, resource } = parseTokenQuery(query)
  const clientId = named || rules.defaultClientId
  if (clientId === '') {
    const message = 'The client_id parameter or AZURE_CLIENT_ID environment variable must be set'
    throw new ImdsRefusal(400, 'invalid_request', message)
  }
  if (resource === '') throw new ImdsRefusal(400, 'invalid_request', 'The resource parameter is required.')
  if (!plainWord.test(clientId)) {
    throw new ImdsRefusal(400, 'invalid_request', 'client_id: expected the client id of an identity')
  }
  if (!plainWord.test(resource)) {
    throw new ImdsRefusal(400, 'invalid_resource', 'resource: expected a URI such as https://vault.azure.net')
  }
  return { clientId, resource }
}

/**
 * The resource that Entra is asked for. A trailing slash stays: Entra takes what precedes the last slash of the scope as the
 * audience, so `https://vault.azure.net/` needs the scope `https://vault.azure.net//.default`.
 */
export function audienceOf(resource: string): string {
  return resource.replace(/\/\.default$/, '')
}

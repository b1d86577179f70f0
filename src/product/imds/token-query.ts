/** The parameters of a token request that name an identity and what the token is for. Empty text for an absent one. */
export interface TokenQuery {
  /** What the token is for, as it was sent: the answer repeats it. */
  resource: string
  clientId: string
  /** Resource Manager's id of the identity. */
  resourceId: string
}

/** https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#get-a-token-using-http */
export function parseTokenQuery(query: URLSearchParams): TokenQuery {
  const read = (name: string) => query.get(name) ?? ''
  return {
    resource: read('resource'),
    clientId: read('client_id'),
    resourceId: read('msi_res_id') || read('mi_res_id'),
  }
}

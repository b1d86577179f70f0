/** The JSON of Key Vault's data plane, as far as we read it. https://learn.microsoft.com/rest/api/keyvault/ */

/** Times are seconds since the epoch. */
export interface ObjectAttributes {
  enabled?: boolean | undefined
  created?: number | undefined
  updated?: number | undefined
  nbf?: number | undefined
  exp?: number | undefined
}

/** The public half of a key. */
export interface JsonWebKeyWire {
  kty?: string | undefined
  n?: string | undefined
  e?: string | undefined
  crv?: string | undefined
  x?: string | undefined
  y?: string | undefined
}

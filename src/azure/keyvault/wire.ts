/** The JSON of Key Vault's data plane, as far as we read it. https://learn.microsoft.com/rest/api/keyvault/ */

/** Times are seconds since the epoch. */
export interface ObjectAttributes {
  enabled?: boolean
  created?: number
  updated?: number
  nbf?: number
  exp?: number
}

export interface SecretBundleWire {
  value?: string
  id?: string
  contentType?: string
  attributes?: ObjectAttributes
  /** Id of the key when the secret backs a certificate. */
  kid?: string
  managed?: boolean
  tags?: Record<string, string>
}

export interface JsonWebKeyWire {
  kid?: string
  kty?: string
  n?: string
  e?: string
  crv?: string
  x?: string
  y?: string
  key_ops?: string[]
}

export interface KeyBundleWire {
  key?: JsonWebKeyWire
  attributes?: ObjectAttributes
}

export interface CertificateBundleWire {
  id?: string
  kid?: string
  sid?: string
  /** DER, in base64. */
  cer?: string
  contentType?: string
  attributes?: ObjectAttributes
}

/** One version in a list; keys have `kid`, the others `id`. */
export interface VersionItemWire {
  id?: string
  kid?: string
  attributes?: ObjectAttributes
}

export interface VersionListWire {
  value?: VersionItemWire[]
  nextLink?: string | null
}

export interface VaultErrorWire {
  error?: { code?: string; message?: string; innererror?: { code?: string } }
}

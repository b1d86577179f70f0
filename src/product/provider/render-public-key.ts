import { createPublicKey, type JsonWebKey } from 'node:crypto'
import type { JsonWebKeyWire } from '#azure/keyvault'
import { encodePem } from '#lib/formats'

const curves = new Set(['P-256', 'P-384', 'P-521'])

/** The public half of a vault's key as SPKI PEM. Keys in an HSM differ by their type's name only. */
export function renderPublicKey(jwk: JsonWebKeyWire): string {
  const { kty, crv } = jwk
  if (kty === 'RSA' || kty === 'RSA-HSM') return toPem({ kty: 'RSA', n: jwk.n, e: jwk.e })
  if (kty === 'EC' || kty === 'EC-HSM') {
    if (crv === undefined || !curves.has(crv)) throw new Error(`curve ${crv ?? ''} is not supported`)
    return toPem({ kty: 'EC', crv, x: jwk.x, y: jwk.y })
  }
  throw new Error(`failed to get key. key type '${kty ?? ''}' currently not supported`)
}

function toPem(jwk: Record<string, string | undefined>): string {
  for (const [name, value] of Object.entries(jwk)) {
    if (value === undefined || !/^[A-Za-z0-9_-]+$/.test(value))
      throw new Error(`the key's "${name}" is missing or malformed`)
  }
  const key = createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  return encodePem({ label: 'PUBLIC KEY', der: key.export({ format: 'der', type: 'spki' }) })
}

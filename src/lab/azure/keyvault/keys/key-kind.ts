import type { JsonWebKey } from 'node:crypto'
import { attributesOf } from '../attributes.ts'
import { type ObjectKind, partOfCertificate } from '../object-kind.ts'
import type { ObjectStore } from '../object-store.ts'
import type { RotationPolicy } from './rotation-policy.ts'

export const keyTypes = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM'] as const
export type KeyType = (typeof keyTypes)[number]

export interface Key {
  kty: KeyType
  /** The whole key, private part included. https://www.rfc-editor.org/rfc/rfc7518#section-6 */
  jwk: JsonWebKey
  operations: readonly string[]
  /** Copied from each version to the next; the one of the latest version applies. */
  rotationPolicy?: RotationPolicy | undefined
  /** True for the key of a certificate. */
  managed?: true | undefined
}

export function keyKind(store: ObjectStore<Key>): ObjectKind<Key> {
  return {
    noun: 'key',
    store,
    ...partOfCertificate,
    bundle: (origin, vault, version) => ({
      key: {
        kid: `${origin}/keys/${version.name}/${version.version}`,
        kty: version.payload.kty,
        key_ops: version.payload.operations,
        ...publicPart(version.payload.jwk),
      },
      attributes: attributesOf(vault, version),
      tags: version.tags,
      managed: version.payload.managed,
    }),
    item: (origin, vault, version, withVersion) => ({
      kid: `${origin}/keys/${version.name}${withVersion ? `/${version.version}` : ''}`,
      attributes: attributesOf(vault, version),
      tags: version.tags,
      managed: version.payload.managed,
    }),
  }
}

/** The private part never leaves the vault. */
function publicPart({ n, e, crv, x, y }: JsonWebKey) {
  return { n, e, crv, x, y }
}

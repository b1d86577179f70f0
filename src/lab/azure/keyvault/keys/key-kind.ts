import type { JsonWebKey } from 'node:crypto'
import { attributesOf } from '../attributes.ts'
import type { ObjectKind } from '../object-kind.ts'
import type { ObjectStore } from '../object-store.ts'
import type { RotationPolicy } from './rotation-policy.ts'

export const keyTypes = ['RSA', 'RSA-HSM', 'EC', 'EC-HSM'] as const
export type KeyType = (typeof keyTypes)[number]

export interface Key {
  kty: KeyType
  /** The whole key, private part included. https://www.rfc-editor.org/rfc/rfc7518#section-6 */
  jwk: JsonWebKey
  operations: readonly string[]
  /** Of the latest version; each new version takes it over. */
  rotationPolicy?: RotationPolicy | undefined
  /** The key of a certificate. */
  managed?: true | undefined
}

export function keyKind(store: ObjectStore<Key>): ObjectKind<Key> {
  const shared = (version: Parameters<ObjectKind<Key>['item']>[2]) => ({
    ...(version.tags !== undefined && { tags: version.tags }),
    ...(version.payload.managed === true && { managed: true }),
  })
  return {
    noun: 'key',
    store,
    bundle: (origin, vault, version) => ({
      key: {
        kid: `${origin}/keys/${version.name}/${version.version}`,
        kty: version.payload.kty,
        key_ops: version.payload.operations,
        ...publicPart(version.payload.jwk),
      },
      attributes: attributesOf(vault, version),
      ...shared(version),
    }),
    item: (origin, vault, version, withVersion) => ({
      kid: `${origin}/keys/${version.name}${withVersion ? `/${version.version}` : ''}`,
      attributes: attributesOf(vault, version),
      ...shared(version),
    }),
    isManaged: ({ managed }) => managed === true,
    companions: () => [],
    restoreCompanions: () => [],
  }
}

/** The private part never leaves the vault. */
function publicPart({ n, e, crv, x, y }: JsonWebKey): JsonWebKey {
  return n === undefined ? { ...(crv && { crv }), ...(x && { x }), ...(y && { y }) } : { n, ...(e && { e }) }
}

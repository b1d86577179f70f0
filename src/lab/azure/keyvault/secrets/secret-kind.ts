import { attributesOf } from '../attributes.ts'
import { type ObjectKind, partOfCertificate } from '../object-kind.ts'
import type { ObjectStore } from '../object-store.ts'

export interface Secret {
  value: string
  contentType?: string | undefined
  /** True for the secret of a certificate; its key has the same name and version. */
  managed?: true | undefined
}

export function secretKind(store: ObjectStore<Secret>): ObjectKind<Secret> {
  const kind: ObjectKind<Secret> = {
    noun: 'secret',
    store,
    ...partOfCertificate,
    bundle: (origin, vault, version) => ({
      ...kind.item(origin, vault, version, true),
      kid: version.payload.managed === true ? `${origin}/keys/${version.name}/${version.version}` : undefined,
    }),
    item: (origin, vault, version, withVersion) => ({
      contentType: version.payload.contentType,
      id: `${origin}/secrets/${version.name}${withVersion ? `/${version.version}` : ''}`,
      attributes: attributesOf(vault, version),
      tags: version.tags,
      managed: version.payload.managed,
    }),
  }
  return kind
}

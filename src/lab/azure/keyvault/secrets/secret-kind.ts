import { attributesOf } from '../attributes.ts'
import type { ObjectKind } from '../object-kind.ts'
import type { ObjectStore } from '../object-store.ts'

export interface Secret {
  value: string
  contentType?: string | undefined
  /** Version of the key and the certificate whose secret this is. */
  managed?: true | undefined
}

export function secretKind(store: ObjectStore<Secret>): ObjectKind<Secret> {
  const kind: ObjectKind<Secret> = {
    noun: 'secret',
    store,
    bundle: (origin, vault, version) => ({
      ...kind.item(origin, vault, version, true),
      ...(version.payload.managed === true && { kid: `${origin}/keys/${version.name}/${version.version}` }),
    }),
    item: (origin, vault, version, withVersion) => ({
      ...(version.payload.contentType !== undefined && { contentType: version.payload.contentType }),
      id: `${origin}/secrets/${version.name}${withVersion ? `/${version.version}` : ''}`,
      attributes: attributesOf(vault, version),
      ...(version.tags !== undefined && { tags: version.tags }),
      ...(version.payload.managed === true && { managed: true }),
    }),
    isManaged: ({ managed }) => managed === true,
    companions: () => [],
    restoreCompanions: () => [],
  }
  return kind
}

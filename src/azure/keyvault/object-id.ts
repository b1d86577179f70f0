/** The collections of a vault, as its paths name them. */
export type Collection = 'secrets' | 'keys' | 'certificates'

/** One object, or one version of it. */
export interface VaultObjectRef {
  collection: Collection
  /** Empty for the list of all. */
  name: string
  /** Empty for the current version. */
  version: string
}

/** The word for one object of a collection, for messages. */
export function singular(collection: Collection): 'secret' | 'key' | 'certificate' {
  return collection === 'secrets' ? 'secret' : collection === 'keys' ? 'key' : 'certificate'
}

/** The name in an id such as `https://shop.vault.azure.net/secrets/db`; empty for an id without one. */
export function nameOfId(id: string): string {
  return URL.canParse(id) ? (new URL(id).pathname.split('/')[2] ?? '') : ''
}

/** The version in an id such as `https://shop.vault.azure.net/secrets/db/0123…`; empty for an id without one. */
export function versionOfId(id: string): string {
  return URL.canParse(id) ? (new URL(id).pathname.split('/')[3] ?? '') : ''
}

import type { Change, RecordStore } from '../records/record-store.ts'

/** Records of vaults that have names, in any case. */
export interface VaultCollection<T> {
  /** @param vault its `uid`. */
  get(vault: string, name: string): T | undefined
  /** Sorted by name. */
  ofVault(vault: string): T[]
  put(record: T): Change
  remove(record: T): Change
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
}

export function vaultCollection<T extends { vault: string; name: string }>(
  store: RecordStore,
  collection: string,
): VaultCollection<T> {
  const records = store.collection<T>(collection)
  const keyOf = (vault: string, name: string) => `${vault}/${name.toLowerCase()}`
  const ofVault = (uid: string) =>
    [...records.values()]
      .filter(({ vault }) => vault === uid)
      .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
  const remove = ({ vault, name }: T) => records.remove(keyOf(vault, name))
  return {
    get: (vault, name) => records.get(keyOf(vault, name)),
    ofVault,
    put: (record) => records.put(keyOf(record.vault, record.name), record),
    remove,
    removeAll: (uid) => ofVault(uid).map(remove),
  }
}

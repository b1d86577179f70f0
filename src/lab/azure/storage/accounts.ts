import { randomBytes } from 'node:crypto'
import type { Change, RecordStore } from '../records/record-store.ts'

/** The properties that a client sets through Resource Manager and that the lab evaluates, and those it stores as given. */
export interface StorageAccountProperties {
  allowSharedKeyAccess: boolean
  publicNetworkAccess: 'Enabled' | 'Disabled'
  networkAcls: {
    bypass: string
    defaultAction: 'Allow' | 'Deny'
    ipRules: unknown[]
    virtualNetworkRules: unknown[]
  }
  /** Stored and returned. */
  others: Record<string, unknown>
}

export interface StorageKey {
  keyName: 'key1' | 'key2'
  /** 64 random bytes in base64. */
  value: string
  /** ISO 8601. */
  creationTime: string
}

export interface StorageAccount {
  /** The resource id. */
  id: string
  name: string
  location: string
  tags: Record<string, string>
  sku: string
  kind: string
  keys: StorageKey[]
  properties: StorageAccountProperties
  createdAt: string
}

/** All storage accounts. Names are global, because they are host names. */
export interface StorageAccounts {
  /** By name, in any case. */
  get(name: string): StorageAccount | undefined
  /** By resource id, in any case. */
  byId(id: string): StorageAccount | undefined
  all(): StorageAccount[]
  put(account: StorageAccount): Change
  /** The changes that remove the account with its queues. */
  remove(account: StorageAccount): Change[]
}

export const accountType = 'Microsoft.Storage/storageAccounts'

/** @param removeQueues returns the changes that remove all queues of the account of this name. */
export function createStorageAccounts(
  store: RecordStore,
  removeQueues: (account: string) => Change[],
): StorageAccounts {
  const collection = store.collection<StorageAccount>('storage-accounts')
  const get = (name: string) => collection.get(name.toLowerCase())
  return {
    get,
    byId(id) {
      const account = get(id.slice(id.lastIndexOf('/') + 1))
      return account?.id.toLowerCase() === id.toLowerCase() ? account : undefined
    },
    all: () => [...collection.values()],
    put: (account) => collection.put(account.name, account),
    remove: ({ name }) => [...removeQueues(name), collection.remove(name)],
  }
}

export function newStorageKey(keyName: StorageKey['keyName'], creationTime: string): StorageKey {
  return { keyName, value: randomBytes(64).toString('base64'), creationTime }
}

import { randomUUID } from 'node:crypto'
import type { Clock } from '#lib'
import type { Change, RecordStore } from '../records/record-store.ts'

export interface AccessPolicy {
  tenantId: string
  objectId: string
  applicationId?: string | undefined
  permissions: { keys?: string[]; secrets?: string[]; certificates?: string[]; storage?: string[] }
}

/** The properties that a client sets through Resource Manager. */
export interface VaultProperties {
  tenantId: string
  sku: { family: 'A'; name: 'standard' | 'premium' }
  accessPolicies: AccessPolicy[]
  enableRbacAuthorization: boolean
  softDeleteRetentionInDays: number
  enablePurgeProtection?: true | undefined
  enabledForDeployment: boolean
  enabledForDiskEncryption?: boolean | undefined
  enabledForTemplateDeployment?: boolean | undefined
  publicNetworkAccess: 'Enabled' | 'Disabled'
  networkAcls?:
    | {
        bypass: 'AzureServices' | 'None'
        defaultAction: 'Allow' | 'Deny'
        ipRules: { value: string }[]
        virtualNetworkRules: { id: string }[]
      }
    | undefined
}

export interface Vault {
  /** Ours: a name can be reused after a purge, and the old vault's objects must not reappear. */
  uid: string
  /** The resource id. */
  id: string
  name: string
  location: string
  tags: Record<string, string>
  properties: VaultProperties
  createdAt: string
  createdBy: string
  modifiedAt: string
  modifiedBy: string
  /** Set while the vault is soft-deleted. */
  deletion?: { deletedAt: string; purgeAt: string } | undefined
}

/** All vaults of the lab, including soft-deleted ones: a name is taken until its vault is purged. */
export interface Vaults {
  /** The live vault of that name, in any case. */
  get(name: string): Vault | undefined
  /** The live vault with that `uid`. */
  byUid(uid: string): Vault | undefined
  /** The soft-deleted vault of that name. */
  deleted(name: string): Vault | undefined
  all(): Vault[]
  allDeleted(): Vault[]
  create(fields: Omit<Vault, 'uid'>): { vault: Vault; changes: Change[] }
  put(vault: Vault): Change
  /** The change that makes the vault soft-deleted now. */
  softDelete(vault: Vault): Change
  recover(vault: Vault): Change
  /** The changes that remove the vault with its objects. */
  purge(vault: Vault): Change[]
  /** Calls `observe` whenever access policies of a vault change, from now on. */
  onPoliciesChanged(observe: (vault: Vault) => void): void
}

const dayMs = 24 * 3600 * 1000

/** @param removeObjects returns the changes that remove all objects of the vault with this `uid`. */
export function createVaults(store: RecordStore, clock: Clock, removeObjects: (uid: string) => Change[]): Vaults {
  const collection = store.collection<Vault>('vaults')
  const keyOf = ({ name }: { name: string }) => name.toLowerCase()
  const names = new Map<string, string>()
  collection.observe((key, after, before) => {
    if (before !== undefined) names.delete(before.uid)
    if (after !== undefined) names.set(after.uid, key)
  })

  /** A soft-deleted vault counts as purged when its retention has run out. */
  function existing(name: string): Vault | undefined {
    const vault = collection.get(name.toLowerCase())
    const isPurged = vault?.deletion !== undefined && Date.parse(vault.deletion.purgeAt) <= clock.now()
    return isPurged ? undefined : vault
  }
  function listed(): Vault[] {
    return [...collection.values()].filter(({ name }) => existing(name) !== undefined)
  }

  function live(name: string): Vault | undefined {
    const vault = existing(name)
    return vault?.deletion === undefined ? vault : undefined
  }

  return {
    get: live,
    byUid: (uid) => live(names.get(uid) ?? ''),
    deleted(name) {
      const vault = existing(name)
      return vault?.deletion === undefined ? undefined : vault
    },
    all: () => listed().filter(({ deletion }) => deletion === undefined),
    allDeleted: () => listed().filter(({ deletion }) => deletion !== undefined),
    create(fields) {
      const vault = { uid: randomUUID(), ...fields }
      const expired = collection.get(keyOf(vault))
      const leftovers = expired === undefined ? [] : removeObjects(expired.uid)
      return { vault, changes: [...leftovers, collection.put(keyOf(vault), vault)] }
    },
    put: (vault) => collection.put(keyOf(vault), vault),
    softDelete(vault) {
      const now = clock.now()
      const deletion = {
        deletedAt: new Date(now).toISOString(),
        purgeAt: new Date(now + vault.properties.softDeleteRetentionInDays * dayMs).toISOString(),
      }
      return collection.put(keyOf(vault), { ...vault, deletion })
    },
    recover: (vault) => collection.put(keyOf(vault), { ...vault, deletion: undefined }),
    purge: (vault) => [...removeObjects(vault.uid), collection.remove(keyOf(vault))],
    onPoliciesChanged(observe) {
      let isReplay = true
      collection.observe((_key, after, before) => {
        if (isReplay || after === undefined || before === undefined) return
        const policies = ({ properties }: Vault) => JSON.stringify(properties.accessPolicies)
        if (policies(after) !== policies(before)) observe(after)
      })
      isReplay = false
    },
  }
}

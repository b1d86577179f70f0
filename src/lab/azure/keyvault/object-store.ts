import { randomBytes } from 'node:crypto'
import type { Clock } from '#lib'
import { Refusal } from '../http/refusal.ts'
import type { Change, RecordStore } from '../records/record-store.ts'

/** What secrets, keys and certificates have in common: versions under one name, attributes, tags, soft deletion. */
export interface ObjectVersion<P> {
  /** `uid` of the vault. */
  vault: string
  name: string
  /** 32 hexadecimal digits. */
  version: string
  enabled: boolean
  /** All times in seconds since the epoch. */
  created: number
  updated: number
  nbf?: number | undefined
  exp?: number | undefined
  tags?: Record<string, string> | undefined
  payload: P
}

export interface VaultObject<P> {
  name: string
  /** Oldest first, never empty. */
  versions: ObjectVersion<P>[]
  deletion?: Deletion | undefined
}

export interface Deletion {
  vault: string
  name: string
  deletedAt: number
  purgeAt: number
}

export interface ObjectFields<P> {
  payload: P
  enabled?: boolean | undefined
  nbf?: number | undefined
  exp?: number | undefined
  tags?: Record<string, string> | undefined
}

/** A version that is ready to be added, and what adds it. */
export interface Prepared<P> {
  version: ObjectVersion<P>
  changes: Change[]
}

/**
 * One kind of object (`secret`, `key` or `certificate`) in all vaults. Methods that change something give the changes, so
 * that a certificate and its key and secret change in one commit.
 */
export interface ObjectStore<P> {
  /** Makes changes durable, then visible. */
  commit(changes: readonly Change[]): void
  /** The living object of that name, in any case. */
  get(vault: string, name: string): VaultObject<P> | undefined
  /** The soft-deleted object of that name. */
  getDeleted(vault: string, name: string): VaultObject<P> | undefined
  /** Living objects by name. */
  list(vault: string): VaultObject<P>[]
  listDeleted(vault: string): VaultObject<P>[]
  /** A new version (32 hexadecimal digits, random by default), which is the latest. Throws {@link Refusal} while the name is soft-deleted. */
  add(vault: string, name: string, fields: ObjectFields<P>, version?: string): Prepared<P>
  update(version: ObjectVersion<P>, fields: Partial<ObjectFields<P>>): Prepared<P>
  delete(vault: string, object: VaultObject<P>, retentionDays: number): Change[]
  recover(vault: string, object: VaultObject<P>): Change[]
  purge(vault: string, object: VaultObject<P>): Change[]
  /** Puts back all versions of a backup; gives the latest. Throws {@link Refusal} when the name is in use. */
  restore(vault: string, versions: readonly ObjectVersion<P>[]): Prepared<P>
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
  /** Throws {@link Refusal} while the name is soft-deleted. */
  refuseDeleted(vault: string, name: string): void
  /** Calls `observe` for every version that is made or changed from now on, when it is durable. */
  onVersion(observe: (after: ObjectVersion<P>, isNew: boolean) => void): void
}

const daySeconds = 24 * 3600

export function createObjectStore<P>(store: RecordStore, kind: string, clock: Clock): ObjectStore<P> {
  const versions = store.collection<ObjectVersion<P>>(`${kind}-versions`)
  const deletions = store.collection<Deletion>(`${kind}-deletions`)
  const vaults = new Map<string, Map<string, VaultObject<P>>>()
  versions.observe((_key, after, before) => indexVersion(vaults, after, before))
  deletions.observe((_key, after, before) => {
    const { vault, name } = after ?? before ?? { vault: '', name: '' }
    const object = vaults.get(vault)?.get(name.toLowerCase())
    if (object !== undefined) object.deletion = after
  })

  const nowSeconds = () => Math.floor(clock.now() / 1000)
  const objectsOf = (vault: string) => [...(vaults.get(vault)?.values() ?? [])]
  const removals = (vault: string, object: VaultObject<P>) => [
    ...object.versions.map(({ version }) => versions.remove(versionKey(vault, object.name, version))),
    deletions.remove(objectKey(vault, object.name)),
  ]

  /** Forgets the object when its retention has run out. */
  function existing(vault: string, name: string): VaultObject<P> | undefined {
    const object = vaults.get(vault)?.get(name.toLowerCase())
    if (object?.deletion === undefined || object.deletion.purgeAt > nowSeconds()) return object
    store.commit(removals(vault, object))
    return undefined
  }
  function listed(vault: string, deleted: boolean): VaultObject<P>[] {
    return objectsOf(vault)
      .filter(({ name }) => {
        const object = existing(vault, name)
        return object !== undefined && (object.deletion !== undefined) === deleted
      })
      .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
  }
  function refuseDeleted(vault: string, name: string): void {
    if (existing(vault, name)?.deletion === undefined) return
    const title = kind[0]?.toUpperCase() + kind.slice(1)
    throw new Refusal(
      409,
      'Conflict',
      `${title} ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the ${kind} can only be recovered or purged.`,
      { innerCode: 'ObjectIsDeletedButRecoverable' },
    )
  }

  return {
    commit: store.commit,
    get(vault, name) {
      const object = existing(vault, name)
      return object?.deletion === undefined ? object : undefined
    },
    getDeleted(vault, name) {
      const object = existing(vault, name)
      return object?.deletion === undefined ? undefined : object
    },
    list: (vault) => listed(vault, false),
    listDeleted: (vault) => listed(vault, true),
    add(vault, name, { payload, enabled = true, nbf, exp, tags }, version = randomBytes(16).toString('hex')) {
      refuseDeleted(vault, name)
      const now = nowSeconds()
      const made: ObjectVersion<P> = {
        vault,
        // Names have no case, but keep the one they were first written in.
        name: existing(vault, name)?.name ?? name,
        version,
        enabled,
        created: now,
        updated: now,
        nbf,
        exp,
        tags,
        payload,
      }
      return { version: made, changes: [versions.put(versionKey(vault, made.name, version), made)] }
    },
    update(version, fields) {
      const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
      const updated: ObjectVersion<P> = { ...version, ...given, updated: nowSeconds() }
      return {
        version: updated,
        changes: [versions.put(versionKey(version.vault, version.name, version.version), updated)],
      }
    },
    delete(vault, object, retentionDays) {
      const deletedAt = nowSeconds()
      const purgeAt = deletedAt + retentionDays * daySeconds
      return [deletions.put(objectKey(vault, object.name), { vault, name: object.name, deletedAt, purgeAt })]
    },
    recover: (vault, object) => [deletions.remove(objectKey(vault, object.name))],
    purge: removals,
    restore(vault, backup) {
      const latest = backup.at(-1)
      if (latest === undefined) throw new Refusal(400, 'BadParameter', 'The backup holds no version.')
      refuseDeleted(vault, latest.name)
      if (existing(vault, latest.name) !== undefined) {
        throw new Refusal(
          409,
          'Conflict',
          `The ${kind} ${latest.name} already exists in this key vault, so its backup cannot be restored.`,
        )
      }
      const changes = backup.map((each) => versions.put(versionKey(vault, each.name, each.version), { ...each, vault }))
      return { version: latest, changes }
    },
    removeAll: (vault) => objectsOf(vault).flatMap((object) => removals(vault, object)),
    refuseDeleted,
    onVersion(observe) {
      let isReplay = true
      versions.observe((_key, after, before) => {
        if (after !== undefined && !isReplay) observe(after, before === undefined)
      })
      isReplay = false
    },
  }
}

function indexVersion<P>(
  vaults: Map<string, Map<string, VaultObject<P>>>,
  after: ObjectVersion<P> | undefined,
  before: ObjectVersion<P> | undefined,
): void {
  const { vault, name, version } = (after ?? before) as ObjectVersion<P>
  const objects = vaults.get(vault) ?? new Map<string, VaultObject<P>>()
  vaults.set(vault, objects)
  const object = objects.get(name.toLowerCase()) ?? { name, versions: [] }
  const place = object.versions.findLastIndex((other) => other.version === version)
  if (after === undefined) object.versions.splice(place, 1)
  else if (place >= 0) object.versions[place] = after
  else object.versions.push(after)
  if (object.versions.length > 0) objects.set(name.toLowerCase(), object)
  else objects.delete(name.toLowerCase())
}

function objectKey(vault: string, name: string): string {
  return `${vault}/${name.toLowerCase()}`
}

function versionKey(vault: string, name: string, version: string): string {
  return `${objectKey(vault, name)}/${version}`
}

import { randomBytes } from 'node:crypto'
import type { Clock } from '#lib'
import { Refusal } from '../http/refusal.ts'
import type { Change, Collection, RecordStore } from '../records/record-store.ts'

/** What versions of secrets, keys and certificates have in common. */
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

/** A version that is ready to be added, and the changes that add it. */
export interface Prepared<P> {
  version: ObjectVersion<P>
  changes: Change[]
}

/**
 * One kind of object (`secret`, `key` or `certificate`) in all vaults. Methods that change something return the changes, so
 * that a certificate and its key and secret change in one commit.
 */
export interface ObjectStore<P> {
  /** Makes changes durable, then visible. */
  commit(changes: readonly Change[]): void
  /** The live object of that name, in any case. */
  get(vault: string, name: string): VaultObject<P> | undefined
  /** The soft-deleted object of that name. */
  getDeleted(vault: string, name: string): VaultObject<P> | undefined
  /** Live objects by name. */
  list(vault: string): VaultObject<P>[]
  listDeleted(vault: string): VaultObject<P>[]
  /** A new version (32 hexadecimal digits, random by default), which is the latest. Throws {@link Refusal} while the name is soft-deleted. */
  add(vault: string, name: string, fields: ObjectFields<P>, version?: string): Prepared<P>
  /** The version with the given fields replaced; undefined ones stay as they are. */
  update(version: ObjectVersion<P>, fields: Partial<ObjectFields<P>>): Prepared<P>
  delete(vault: string, object: VaultObject<P>, retentionDays: number): Change[]
  recover(vault: string, object: VaultObject<P>): Change[]
  purge(vault: string, object: VaultObject<P>): Change[]
  /** Adds all versions of a backup and returns the latest. Throws {@link Refusal} when the name is in use. */
  restore(vault: string, versions: readonly ObjectVersion<P>[]): Prepared<P>
  /** Removes everything of a vault. */
  removeAll(vault: string): Change[]
  /** Throws {@link Refusal} while the name is soft-deleted. */
  refuseDeleted(vault: string, name: string): void
  /** Calls `observe` for every version that is added or changed from now on, once it is durable. */
  onVersion(observe: (after: ObjectVersion<P>, isNew: boolean) => void): void
}

/** What the functions of one store share. */
interface State<P> {
  kind: string
  clock: Clock
  records: RecordStore
  versions: Collection<ObjectVersion<P>>
  deletions: Collection<Deletion>
  /** Objects by vault and lower-case name: an index of the two collections. */
  vaults: Map<string, Map<string, VaultObject<P>>>
}

export function createObjectStore<P>(records: RecordStore, kind: string, clock: Clock): ObjectStore<P> {
  const versions = records.collection<ObjectVersion<P>>(`${kind}-versions`)
  const deletions = records.collection<Deletion>(`${kind}-deletions`)
  const state: State<P> = { kind, clock, records, versions, deletions, vaults: new Map() }
  versions.observe((_key, after, before) => indexVersion(state, after, before))
  deletions.observe((_key, after, before) => indexDeletion(state, after, before))

  return {
    commit: records.commit,
    get(vault, name) {
      const object = find(state, vault, name)
      return object?.deletion === undefined ? object : undefined
    },
    getDeleted(vault, name) {
      const object = find(state, vault, name)
      return object?.deletion === undefined ? undefined : object
    },
    list: (vault) => listed(state, vault).filter(({ deletion }) => deletion === undefined),
    listDeleted: (vault) => listed(state, vault).filter(({ deletion }) => deletion !== undefined),
    add: (vault, name, fields, version) => add(state, vault, name, fields, version),
    update: (version, fields) => update(state, version, fields),
    delete(vault, { name }, retentionDays) {
      const deletedAt = nowSeconds(clock)
      const purgeAt = deletedAt + retentionDays * daySeconds
      return [deletions.put(objectKey(vault, name), { vault, name, deletedAt, purgeAt })]
    },
    recover: (vault, { name }) => [deletions.remove(objectKey(vault, name))],
    purge: (vault, object) => removals(state, vault, object),
    restore: (vault, backup) => restore(state, vault, backup),
    removeAll: (vault) => objectsOf(state, vault).flatMap((object) => removals(state, vault, object)),
    refuseDeleted: (vault, name) => refuseDeleted(state, vault, name),
    onVersion: (observe) => observeVersions(versions, observe),
  }
}

const daySeconds = 24 * 3600

function indexVersion<P>(
  { vaults }: State<P>,
  after: ObjectVersion<P> | undefined,
  before: ObjectVersion<P> | undefined,
): void {
  const { vault, name, version } = (after ?? before) as ObjectVersion<P>
  const objects = vaults.get(vault) ?? new Map<string, VaultObject<P>>()
  vaults.set(vault, objects)
  const object = objects.get(name.toLowerCase()) ?? { name, versions: [] }
  const index = object.versions.findLastIndex((other) => other.version === version)
  if (after === undefined) object.versions.splice(index, 1)
  else if (index >= 0) object.versions[index] = after
  else object.versions.push(after)
  if (object.versions.length > 0) objects.set(name.toLowerCase(), object)
  else objects.delete(name.toLowerCase())
}

function indexDeletion<P>({ vaults }: State<P>, after: Deletion | undefined, before: Deletion | undefined): void {
  const { vault, name } = after ?? before ?? { vault: '', name: '' }
  const object = vaults.get(vault)?.get(name.toLowerCase())
  if (object !== undefined) object.deletion = after
}

/** The object of that name, live or soft-deleted. Purges one whose retention has run out. */
function find<P>(state: State<P>, vault: string, name: string): VaultObject<P> | undefined {
  const object = state.vaults.get(vault)?.get(name.toLowerCase())
  if (object?.deletion === undefined || object.deletion.purgeAt > nowSeconds(state.clock)) return object
  state.records.commit(removals(state, vault, object))
  return undefined
}

function listed<P>(state: State<P>, vault: string): VaultObject<P>[] {
  return objectsOf(state, vault)
    .filter(({ name }) => find(state, vault, name) !== undefined)
    .sort((a, b) => (a.name.toLowerCase() < b.name.toLowerCase() ? -1 : 1))
}

function objectsOf<P>({ vaults }: State<P>, vault: string): VaultObject<P>[] {
  return [...(vaults.get(vault)?.values() ?? [])]
}

function add<P>(
  state: State<P>,
  vault: string,
  name: string,
  { payload, enabled = true, nbf, exp, tags }: ObjectFields<P>,
  version = randomBytes(16).toString('hex'),
): Prepared<P> {
  refuseDeleted(state, vault, name)
  const now = nowSeconds(state.clock)
  const added: ObjectVersion<P> = {
    vault,
    // Names have no case, but keep the case of their first version.
    name: find(state, vault, name)?.name ?? name,
    version,
    enabled,
    created: now,
    updated: now,
    nbf,
    exp,
    tags,
    payload,
  }
  return { version: added, changes: [state.versions.put(versionKey(vault, added.name, version), added)] }
}

function update<P>(
  { clock, versions }: State<P>,
  version: ObjectVersion<P>,
  fields: Partial<ObjectFields<P>>,
): Prepared<P> {
  const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
  const updated: ObjectVersion<P> = { ...version, ...given, updated: nowSeconds(clock) }
  const key = versionKey(version.vault, version.name, version.version)
  return { version: updated, changes: [versions.put(key, updated)] }
}

function restore<P>(state: State<P>, vault: string, backup: readonly ObjectVersion<P>[]): Prepared<P> {
  const latest = backup.at(-1)
  if (latest === undefined) throw new Refusal(400, 'BadParameter', 'The backup holds no version.')
  refuseDeleted(state, vault, latest.name)
  if (find(state, vault, latest.name) !== undefined) {
    const message = `The ${state.kind} ${latest.name} already exists in this key vault, so its backup cannot be restored.`
    throw new Refusal(409, 'Conflict', message)
  }
  const changes = backup.map((each) =>
    state.versions.put(versionKey(vault, each.name, each.version), { ...each, vault }),
  )
  return { version: latest, changes }
}

function removals<P>({ versions, deletions }: State<P>, vault: string, object: VaultObject<P>): Change[] {
  return [
    ...object.versions.map(({ version }) => versions.remove(versionKey(vault, object.name, version))),
    deletions.remove(objectKey(vault, object.name)),
  ]
}

function refuseDeleted<P>(state: State<P>, vault: string, name: string): void {
  if (find(state, vault, name)?.deletion === undefined) return
  const { kind } = state
  const title = kind[0]?.toUpperCase() + kind.slice(1)
  throw new Refusal(
    409,
    'Conflict',
    `${title} ${name} is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the ${kind} can only be recovered or purged.`,
    { innerCode: 'ObjectIsDeletedButRecoverable' },
  )
}

function observeVersions<P>(
  versions: Collection<ObjectVersion<P>>,
  observe: (after: ObjectVersion<P>, isNew: boolean) => void,
): void {
  let isReplay = true
  versions.observe((_key, after, before) => {
    if (after !== undefined && !isReplay) observe(after, before === undefined)
  })
  isReplay = false
}

function nowSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}

function objectKey(vault: string, name: string): string {
  return `${vault}/${name.toLowerCase()}`
}

function versionKey(vault: string, name: string, version: string): string {
  return `${objectKey(vault, name)}/${version}`
}

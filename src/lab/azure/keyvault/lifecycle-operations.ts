import { Refusal } from '../http/refusal.ts'
import { deletionOf } from './attributes.ts'
import { permissionsOn } from './authorize.ts'
import type { BackupSeal } from './backup-seal.ts'
import { deletedObject, latestOf, liveObject, type ObjectKind, refuseManaged } from './object-kind.ts'
import type { ObjectVersion, VaultObject } from './object-store.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from './operation.ts'
import { page } from './paging.ts'
import { parseRestore } from './validate.ts'

export interface LifecycleOptions<P> {
  kind: ObjectKind<P>
  backups: BackupSeal
  /** Permission to list objects and to read deleted ones, as a data action below the plural: `read`. */
  readAction: string
  /** Permission to delete: `delete`. */
  deleteAction: string
}

/** The operations that secrets, keys and certificates share: listing, soft deletion, backup. */
export function lifecycleOperations<P>(options: LifecycleOptions<P>): VaultOperation[] {
  const { kind, readAction, deleteAction } = options
  const { noun } = kind
  const plural = `${noun}s` as const
  const titled = `deleted${noun[0]?.toUpperCase()}${noun.slice(1)}`
  const needs = permissionsOn(plural)

  return [
    vaultOperation(`vault.${noun}.list`, 'GET', `/${plural}`, needs('list', readAction), (call) =>
      listObjects(kind, call),
    ),
    vaultOperation(
      `vault.${noun}.listVersions`,
      'GET',
      `/${plural}/:name/versions`,
      needs('list', readAction),
      (call) => listVersions(kind, call),
    ),
    vaultOperation(`vault.${noun}.delete`, 'DELETE', `/${plural}/:name`, needs('delete', deleteAction), (call) =>
      deleteObject(kind, call),
    ),
    vaultOperation(`vault.${titled}.list`, 'GET', `/deleted${plural}`, needs('list', readAction), (call) =>
      listDeleted(kind, call),
    ),
    vaultOperation(`vault.${titled}.get`, 'GET', `/deleted${plural}/:name`, needs('get', readAction), (call) =>
      deletedBundle(kind, call, deletedObject(kind, call)),
    ),
    vaultOperation(
      `vault.${titled}.recover`,
      'POST',
      `/deleted${plural}/:name/recover`,
      needs('recover', 'recover/action'),
      (call) => recoverObject(kind, call),
    ),
    vaultOperation(
      `vault.${titled}.purge`,
      'DELETE',
      `/deleted${plural}/:name`,
      needs('purge', 'purge/action'),
      (call) => purgeObject(kind, call),
    ),
    vaultOperation(`vault.${noun}.restore`, 'POST', `/${plural}/restore`, needs('restore', 'restore/action'), (call) =>
      restoreObject(options, call),
    ),
    vaultOperation(
      `vault.${noun}.backup`,
      'POST',
      `/${plural}/:name/backup`,
      needs('backup', 'backup/action'),
      (call) => backUpObject(options, call),
    ),
  ]
}

function listObjects<P>(kind: ObjectKind<P>, { vault, url }: VaultCall): VaultAnswer {
  const render = (object: VaultObject<P>) => kind.item(url.origin, vault, latestOf(object), false)
  const objects = kind.store.list(vault.uid).map((object) => ({ name: object.name, item: () => render(object) }))
  const others = kind.alsoListed?.(url.origin, vault, url.searchParams) ?? []
  const listed = [...objects, ...others.map(({ name, item }) => ({ name, item: () => item }))]
  return { body: page(url, listed.toSorted(byName), nameKey, ({ item }) => item()) }
}

function listVersions<P>(kind: ObjectKind<P>, { vault, url, name }: VaultCall): VaultAnswer {
  const versions = (kind.store.get(vault.uid, name)?.versions ?? []).toSorted(byVersion)
  const render = (version: ObjectVersion<P>) => kind.item(url.origin, vault, version, true)
  return { body: page(url, versions, ({ version }) => version, render) }
}

function deleteObject<P>(kind: ObjectKind<P>, call: VaultCall): VaultAnswer {
  const { vault } = call
  const object = liveObject(kind, call)
  refuseManaged(kind, latestOf(object))
  const days = vault.properties.softDeleteRetentionInDays
  const ofCompanions = companionsOf(kind, call).flatMap((each) => each.delete(vault.uid, each.object, days))
  kind.store.commit([...kind.store.delete(vault.uid, object, days), ...ofCompanions])
  return deletedBundle(kind, call, object)
}

function deletedBundle<P>(kind: ObjectKind<P>, { vault, url }: VaultCall, object: VaultObject<P>): VaultAnswer {
  const bundle = kind.bundle(url.origin, vault, latestOf(object))
  return { body: { ...deletionOf(url.origin, `${kind.noun}s`, object), ...bundle } }
}

function listDeleted<P>(kind: ObjectKind<P>, { vault, url }: VaultCall): VaultAnswer {
  const render = (object: VaultObject<P>) => ({
    ...deletionOf(url.origin, `${kind.noun}s`, object),
    ...kind.item(url.origin, vault, latestOf(object), false),
  })
  return { body: page(url, kind.store.listDeleted(vault.uid), nameKey, render) }
}

function recoverObject<P>(kind: ObjectKind<P>, call: VaultCall): VaultAnswer {
  const { vault, url } = call
  const object = deletedObject(kind, call)
  refuseManaged(kind, latestOf(object))
  const ofCompanions = companionsOf(kind, call).flatMap((each) => each.recover(vault.uid, each.object))
  kind.store.commit([...kind.store.recover(vault.uid, object), ...ofCompanions])
  return { body: kind.bundle(url.origin, vault, latestOf(object)) }
}

function purgeObject<P>(kind: ObjectKind<P>, call: VaultCall): VaultAnswer {
  const { vault } = call
  const object = deletedObject(kind, call)
  refuseManaged(kind, latestOf(object))
  refusePurgeProtected(call)
  const ofCompanions = companionsOf(kind, call).flatMap((each) => each.purge(vault.uid, each.object))
  kind.store.commit([...kind.store.purge(vault.uid, object), ...ofCompanions])
  return { status: 204 }
}

function refusePurgeProtected({ vault }: VaultCall): void {
  if (vault.properties.enablePurgeProtection !== true) return
  const message = 'Operation "purge" is not allowed because purge protection is enabled for this vault.'
  throw new Refusal(403, 'Forbidden', message, { innerCode: 'ForbiddenByPolicy' })
}

/** The content of a backup: all versions of the object, and of its companions. */
interface Backup<P> {
  versions: ObjectVersion<P>[]
  companions: ObjectVersion<unknown>[][]
}

async function restoreObject<P>({ kind, backups }: LifecycleOptions<P>, call: VaultCall): Promise<VaultAnswer> {
  const { vault, url } = call
  const { value } = parseRestore(await call.body())
  const backup = backups.open<Backup<P>>(kind.noun, value)
  const restored = kind.store.restore(vault.uid, backup.versions)
  kind.store.commit([...restored.changes, ...kind.restoreCompanions(vault.uid, backup.companions)])
  return { body: kind.bundle(url.origin, vault, restored.version) }
}

function backUpObject<P>({ kind, backups }: LifecycleOptions<P>, call: VaultCall): VaultAnswer {
  const object = liveObject(kind, call)
  refuseManaged(kind, latestOf(object))
  const backup: Backup<P> = {
    versions: object.versions,
    companions: companionsOf(kind, call).map((each) => each.object.versions),
  }
  return { body: { value: backups.seal(kind.noun, backup) } }
}

function companionsOf<P>(kind: ObjectKind<P>, { vault, name }: VaultCall) {
  return kind.companions(vault.uid, name)
}

function byName(a: { name: string }, b: { name: string }): number {
  return nameKey(a) < nameKey(b) ? -1 : 1
}

function nameKey({ name }: { name: string }): string {
  return name.toLowerCase()
}

function byVersion(a: { version: string }, b: { version: string }): number {
  return a.version < b.version ? -1 : 1
}

import { Refusal } from '../http/refusal.ts'
import { deletionOf } from './attributes.ts'
import type { Permission } from './authorize.ts'
import type { BackupSeal } from './backup-seal.ts'
import { deletedObject, latestOf, livingObject, type ObjectKind, refuseManaged } from './object-kind.ts'
import type { ObjectVersion, VaultObject } from './object-store.ts'
import type { VaultAnswer, VaultCall, VaultOperation } from './operation.ts'
import { page } from './paging.ts'
import { parseRestore } from './validate.ts'

export interface LifecycleOptions<P> {
  kind: ObjectKind<P>
  backups: BackupSeal
  /** What listing and looking at deleted objects needs, as a data action below the plural: `read`. */
  readAction: string
  /** What deleting needs: `delete`. */
  deleteAction: string
}

/** What a backup holds: all versions of the object, and of what backs it. */
interface Backup<P> {
  versions: ObjectVersion<P>[]
  companions: ObjectVersion<unknown>[][]
}

/** What secrets, keys and certificates do alike: listing, soft deletion, backup. */
export function lifecycleOperations<P>(options: LifecycleOptions<P>): VaultOperation[] {
  const { kind, backups, readAction, deleteAction } = options
  const { noun, store } = kind
  const plural = `${noun}s` as const
  const titled = `deleted${noun[0]?.toUpperCase()}${noun.slice(1)}`
  const needs = (policy: string, action: string): Permission => ({
    kind: plural,
    policy,
    dataAction: `${plural}/${action}`,
  })
  const companions = ({ vault, name }: VaultCall) => kind.companions(vault.uid, name)

  function deletedBundle({ vault, url }: VaultCall, object: VaultObject<P>): VaultAnswer {
    const bundle = kind.bundle(url.origin, vault, latestOf(object))
    return { body: { ...deletionOf(url.origin, plural, object), ...bundle } }
  }

  return [
    {
      operation: `vault.${noun}.list`,
      method: 'GET',
      path: `/${plural}`,
      permission: needs('list', readAction),
      run({ vault, url }) {
        const render = (object: VaultObject<P>) => kind.item(url.origin, vault, latestOf(object), false)
        const objects = store.list(vault.uid).map((object) => ({ name: object.name, item: () => render(object) }))
        const others = kind.alsoListed?.(url.origin, vault, url.searchParams) ?? []
        const listed = [...objects, ...others.map(({ name, item }) => ({ name, item: () => item }))]
        return { body: page(url, listed.toSorted(byName), nameKey, ({ item }) => item()) }
      },
    },
    {
      operation: `vault.${noun}.listVersions`,
      method: 'GET',
      path: `/${plural}/:name/versions`,
      permission: needs('list', readAction),
      run({ vault, url, name }) {
        const versions = (store.get(vault.uid, name)?.versions ?? []).toSorted(byVersion)
        const render = (version: ObjectVersion<P>) => kind.item(url.origin, vault, version, true)
        return { body: page(url, versions, ({ version }) => version, render) }
      },
    },
    {
      operation: `vault.${noun}.delete`,
      method: 'DELETE',
      path: `/${plural}/:name`,
      permission: needs('delete', deleteAction),
      run(call) {
        const object = livingObject(kind, call)
        refuseManaged(kind, latestOf(object))
        const days = call.vault.properties.softDeleteRetentionInDays
        const along = companions(call).flatMap((each) => each.delete(call.vault.uid, each.object, days))
        store.commit([...store.delete(call.vault.uid, object, days), ...along])
        return deletedBundle(call, object)
      },
    },
    {
      operation: `vault.${titled}.list`,
      method: 'GET',
      path: `/deleted${plural}`,
      permission: needs('list', readAction),
      run({ vault, url }) {
        const render = (object: VaultObject<P>) => ({
          ...deletionOf(url.origin, plural, object),
          ...kind.item(url.origin, vault, latestOf(object), false),
        })
        return { body: page(url, store.listDeleted(vault.uid), nameKey, render) }
      },
    },
    {
      operation: `vault.${titled}.get`,
      method: 'GET',
      path: `/deleted${plural}/:name`,
      permission: needs('get', readAction),
      run: (call) => deletedBundle(call, deletedObject(kind, call)),
    },
    {
      operation: `vault.${titled}.recover`,
      method: 'POST',
      path: `/deleted${plural}/:name/recover`,
      permission: needs('recover', 'recover/action'),
      run(call) {
        const object = deletedObject(kind, call)
        refuseManaged(kind, latestOf(object))
        const along = companions(call).flatMap((each) => each.recover(call.vault.uid, each.object))
        store.commit([...store.recover(call.vault.uid, object), ...along])
        return { body: kind.bundle(call.url.origin, call.vault, latestOf(object)) }
      },
    },
    {
      operation: `vault.${titled}.purge`,
      method: 'DELETE',
      path: `/deleted${plural}/:name`,
      permission: needs('purge', 'purge/action'),
      run(call) {
        const object = deletedObject(kind, call)
        refuseManaged(kind, latestOf(object))
        refusePurgeProtected(call)
        const along = companions(call).flatMap((each) => each.purge(call.vault.uid, each.object))
        store.commit([...store.purge(call.vault.uid, object), ...along])
        return { status: 204 }
      },
    },
    {
      operation: `vault.${noun}.restore`,
      method: 'POST',
      path: `/${plural}/restore`,
      permission: needs('restore', 'restore/action'),
      async run(call) {
        const { value } = parseRestore(await call.body())
        const backup = backups.open<Backup<P>>(noun, value)
        const restored = store.restore(call.vault.uid, backup.versions)
        store.commit([...restored.changes, ...kind.restoreCompanions(call.vault.uid, backup.companions)])
        return { body: kind.bundle(call.url.origin, call.vault, restored.version) }
      },
    },
    {
      operation: `vault.${noun}.backup`,
      method: 'POST',
      path: `/${plural}/:name/backup`,
      permission: needs('backup', 'backup/action'),
      run(call) {
        const object = livingObject(kind, call)
        refuseManaged(kind, latestOf(object))
        const backup: Backup<P> = {
          versions: object.versions,
          companions: companions(call).map((each) => each.object.versions),
        }
        return { body: { value: backups.seal(noun, backup) } }
      },
    },
  ]
}

function refusePurgeProtected({ vault }: VaultCall): void {
  if (vault.properties.enablePurgeProtection !== true) return
  const message = 'Operation "purge" is not allowed because purge protection is enabled for this vault.'
  throw new Refusal(403, 'Forbidden', message, { innerCode: 'ForbiddenByPolicy' })
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

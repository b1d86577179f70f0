import type { Permission } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { lifecycleOperations } from '../lifecycle-operations.ts'
import { type ObjectKind, refuseDisabled, refuseManaged, versionOf } from '../object-kind.ts'
import type { ObjectVersion } from '../object-store.ts'
import type { VaultCall, VaultOperation } from '../operation.ts'
import type { Secret } from './secret-kind.ts'
import { parseSetSecret, parseUpdateSecret } from './validate.ts'

export interface SecretOptions {
  kind: ObjectKind<Secret>
  backups: BackupSeal
}

/** The operations on secrets. https://learn.microsoft.com/rest/api/keyvault/secrets */
export function secretOperations({ kind, backups }: SecretOptions): VaultOperation[] {
  const { store } = kind
  const withValue = ({ url, vault }: VaultCall, version: ObjectVersion<Secret>) => ({
    value: version.payload.value,
    ...kind.bundle(url.origin, vault, version),
  })

  return [
    ...lifecycleOperations({ kind, backups, readAction: 'readMetadata/action', deleteAction: 'delete/action' }),
    {
      operation: 'vault.secret.set',
      method: 'PUT',
      path: '/secrets/:name',
      permission: needs('set', 'setSecret'),
      async run(call) {
        const { value, contentType, tags, attributes } = parseSetSecret(await call.body())
        const existing = store.get(call.vault.uid, call.name)?.versions.at(-1)
        if (existing !== undefined) refuseManaged(kind, existing)
        const { version, changes } = store.add(call.vault.uid, call.name, {
          payload: { value, contentType: contentType ?? undefined },
          tags: tags ?? undefined,
          ...attributes,
        })
        store.commit(changes)
        return { body: withValue(call, version) }
      },
    },
    {
      operation: 'vault.secret.get',
      method: 'GET',
      path: '/secrets/:name/:version?',
      permission: needs('get', 'getSecret'),
      run(call) {
        const version = versionOf(kind, call)
        refuseDisabled(kind, version, 'get')
        return { body: withValue(call, version) }
      },
    },
    {
      operation: 'vault.secret.update',
      method: 'PATCH',
      path: '/secrets/:name/:version?',
      permission: needs('set', 'update'),
      async run(call) {
        const { contentType, tags, attributes } = parseUpdateSecret(await call.body())
        const version = versionOf(kind, call)
        refuseManaged(kind, version)
        const payload = { ...version.payload, ...(contentType != null && { contentType }) }
        const updated = store.update(version, { payload, tags: tags ?? undefined, ...attributes })
        store.commit(updated.changes)
        return { body: kind.bundle(call.url.origin, call.vault, updated.version) }
      },
    },
  ]
}

function needs(policy: string, action: string): Permission {
  return { kind: 'secrets', policy, dataAction: `secrets/${action}/action` }
}

import { permissionsOn } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { lifecycleOperations } from '../lifecycle-operations.ts'
import { type ObjectKind, refuseDisabled, refuseManaged, versionOf } from '../object-kind.ts'
import type { ObjectVersion } from '../object-store.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import type { Secret } from './secret-kind.ts'
import { parseSetSecret, parseUpdateSecret } from './validate.ts'

const needs = permissionsOn('secrets')

export interface SecretOptions {
  kind: ObjectKind<Secret>
  backups: BackupSeal
}

/** The operations on secrets. https://learn.microsoft.com/rest/api/keyvault/secrets */
export function secretOperations({ kind, backups }: SecretOptions): VaultOperation[] {
  return [
    ...lifecycleOperations({ kind, backups, readAction: 'readMetadata/action', deleteAction: 'delete/action' }),
    vaultOperation('vault.secret.set', 'PUT', '/secrets/:name', needs('set', 'setSecret/action'), (call) =>
      setSecret(kind, call),
    ),
    vaultOperation('vault.secret.get', 'GET', '/secrets/:name/:version?', needs('get', 'getSecret/action'), (call) =>
      getSecret(kind, call),
    ),
    vaultOperation('vault.secret.update', 'PATCH', '/secrets/:name/:version?', needs('set', 'update/action'), (call) =>
      updateSecret(kind, call),
    ),
  ]
}

async function setSecret(kind: ObjectKind<Secret>, call: VaultCall): Promise<VaultAnswer> {
  const { value, contentType, tags, attributes } = parseSetSecret(await call.body())
  const existing = kind.store.get(call.vault.uid, call.name)?.versions.at(-1)
  if (existing !== undefined) refuseManaged(kind, existing)
  const { version, changes } = kind.store.add(call.vault.uid, call.name, {
    payload: { value, contentType: contentType ?? undefined },
    tags: tags ?? undefined,
    ...attributes,
  })
  kind.store.commit(changes)
  return { body: bundleWithValue(kind, call, version) }
}

function getSecret(kind: ObjectKind<Secret>, call: VaultCall): VaultAnswer {
  const version = versionOf(kind, call)
  refuseDisabled(kind, version, 'get')
  return { body: bundleWithValue(kind, call, version) }
}

function bundleWithValue(kind: ObjectKind<Secret>, { url, vault }: VaultCall, version: ObjectVersion<Secret>) {
  return { value: version.payload.value, ...kind.bundle(url.origin, vault, version) }
}

async function updateSecret(kind: ObjectKind<Secret>, call: VaultCall): Promise<VaultAnswer> {
  const { contentType, tags, attributes } = parseUpdateSecret(await call.body())
  const version = versionOf(kind, call)
  refuseManaged(kind, version)
  const payload = { ...version.payload, contentType: contentType ?? version.payload.contentType }
  const updated = kind.store.update(version, { payload, tags: tags ?? undefined, ...attributes })
  kind.store.commit(updated.changes)
  return { body: kind.bundle(call.url.origin, call.vault, updated.version) }
}

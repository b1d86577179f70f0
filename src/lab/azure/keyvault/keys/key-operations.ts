import type { JsonWebKey } from 'node:crypto'
import type { Clock } from '#lib'
import { permissionsOn } from '../authorize.ts'
import type { BackupSeal } from '../backup-seal.ts'
import { badParameter } from '../error-response.ts'
import { lifecycleOperations } from '../lifecycle-operations.ts'
import { type ObjectKind, refuseManaged, versionOf } from '../object-kind.ts'
import type { ObjectFields } from '../object-store.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import type { Vault } from '../vaults.ts'
import { generateEcKey, generateRsaKey, jwkOf, keyOperationsByType } from './generate-key.ts'
import type { Key, KeyType } from './key-kind.ts'
import { expiryOf } from './rotation-policy.ts'
import { parseCreateKey, parseImportKey, parsePrivateJwk, parseUpdateKey, refuseRelease } from './validate.ts'

const needs = permissionsOn('keys')

export interface KeyOptions {
  kind: ObjectKind<Key>
  backups: BackupSeal
  clock: Clock
}

/** The operations on keys, except cryptography and rotation. https://learn.microsoft.com/rest/api/keyvault/keys */
export function keyOperations(options: KeyOptions): VaultOperation[] {
  const { kind, backups } = options
  return [
    ...lifecycleOperations({ kind, backups, readAction: 'read', deleteAction: 'delete' }),
    vaultOperation('vault.key.create', 'POST', '/keys/:name/create', needs('create', 'create/action'), (call) =>
      createKey(options, call),
    ),
    vaultOperation('vault.key.import', 'PUT', '/keys/:name', needs('import', 'import/action'), (call) =>
      importKey(options, call),
    ),
    vaultOperation('vault.key.get', 'GET', '/keys/:name/:version?', needs('get', 'read'), (call) => ({
      body: kind.bundle(call.url.origin, call.vault, versionOf(kind, call)),
    })),
    vaultOperation('vault.key.update', 'PATCH', '/keys/:name/:version?', needs('update', 'update/action'), (call) =>
      updateKey(options, call),
    ),
  ]
}

async function createKey(options: KeyOptions, call: VaultCall): Promise<VaultAnswer> {
  const body = await call.body()
  refuseRelease(body)
  const { kty, key_size, crv, public_exponent, key_ops, tags, attributes } = parseCreateKey(body)
  requirePremium(call.vault, kty)
  const key = kty.startsWith('RSA')
    ? await generateRsaKey(key_size ?? 2048, public_exponent ?? undefined)
    : await generateEcKey(crv ?? 'P-256')
  return addVersion(options, call, {
    payload: payloadOf(kty, jwkOf(key), key_ops),
    tags: tags ?? undefined,
    ...attributes,
  })
}

async function importKey(options: KeyOptions, call: VaultCall): Promise<VaultAnswer> {
  const body = await call.body()
  refuseRelease(body)
  const { key, Hsm, hsm, tags, attributes } = parseImportKey(body)
  const type = key.kty.replace('-HSM', '') as 'RSA' | 'EC'
  const kty: KeyType = key.kty.endsWith('-HSM') || Hsm === true || hsm === true ? `${type}-HSM` : type
  requirePremium(call.vault, kty)
  const jwk = parsePrivateJwk(key, kty)
  return addVersion(options, call, {
    payload: payloadOf(kty, jwk, key.key_ops),
    tags: tags ?? undefined,
    ...attributes,
  })
}

/** Keys in an HSM need the premium SKU. */
function requirePremium({ properties }: Vault, kty: KeyType): void {
  if (!kty.endsWith('-HSM') || properties.sku.name.toLowerCase() === 'premium') return
  throw badParameter(`The key type ${kty} needs a vault of the premium SKU; this one is ${properties.sku.name}.`)
}

function payloadOf(kty: KeyType, jwk: JsonWebKey, operations: readonly string[] | null | undefined): Key {
  return { kty, jwk, operations: operations ?? keyOperationsByType[kty.startsWith('RSA') ? 'RSA' : 'EC'] }
}

function addVersion({ kind, clock }: KeyOptions, call: VaultCall, fields: ObjectFields<Key>): VaultAnswer {
  const { store } = kind
  const existing = store.get(call.vault.uid, call.name)?.versions.at(-1)
  if (existing !== undefined) refuseManaged(kind, existing)
  const rotationPolicy = existing?.payload.rotationPolicy
  const { version, changes } = store.add(call.vault.uid, call.name, {
    exp: expiryOf(rotationPolicy, Math.floor(clock.now() / 1000)),
    ...fields,
    payload: { ...fields.payload, rotationPolicy },
  })
  store.commit(changes)
  return { body: kind.bundle(call.url.origin, call.vault, version) }
}

async function updateKey({ kind }: KeyOptions, call: VaultCall): Promise<VaultAnswer> {
  const { key_ops, tags, attributes } = parseUpdateKey(await call.body())
  const version = versionOf(kind, call)
  refuseManaged(kind, version)
  const payload = { ...version.payload, operations: key_ops ?? version.payload.operations }
  const updated = kind.store.update(version, { payload, tags: tags ?? undefined, ...attributes })
  kind.store.commit(updated.changes)
  return { body: kind.bundle(call.url.origin, call.vault, updated.version) }
}

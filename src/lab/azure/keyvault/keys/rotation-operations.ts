import type { Clock } from '#lib'
import { permissionsOn } from '../authorize.ts'
import { latestOf, liveObject, type ObjectKind, refuseManaged } from '../object-kind.ts'
import type { ObjectVersion, Prepared } from '../object-store.ts'
import { type VaultAnswer, type VaultCall, type VaultOperation, vaultOperation } from '../operation.ts'
import { type Curve, generateEcKey, generateRsaKey, jwkOf } from './generate-key.ts'
import type { Key } from './key-kind.ts'
import { defaultLifetimeActions, expiryOf, parseRotationPolicy, type RotationPolicy } from './rotation-policy.ts'

const needs = permissionsOn('keys', 'keyrotationpolicies')

export interface RotationOptions {
  kind: ObjectKind<Key>
  clock: Clock
}

/** Rotation of keys and its policy. https://learn.microsoft.com/rest/api/keyvault/keys/rotate-key */
export function rotationOperations(options: RotationOptions): VaultOperation[] {
  const { kind } = options
  return [
    vaultOperation(
      'vault.key.rotate',
      'POST',
      '/keys/:name/rotate',
      { kind: 'keys', policy: 'rotate', dataAction: 'keys/rotate/action' },
      (call) => rotate(options, call),
    ),
    vaultOperation(
      'vault.key.getRotationPolicy',
      'GET',
      '/keys/:name/rotationpolicy',
      needs('getrotationpolicy', 'read'),
      (call) => ({ body: renderPolicy(call, latestOf(liveObject(kind, call)).payload.rotationPolicy) }),
    ),
    vaultOperation(
      'vault.key.updateRotationPolicy',
      'PUT',
      '/keys/:name/rotationpolicy',
      needs('setrotationpolicy', 'write'),
      (call) => updatePolicy(options, call),
    ),
  ]
}

async function rotate({ kind, clock }: RotationOptions, call: VaultCall): Promise<VaultAnswer> {
  const latest = latestOf(liveObject(kind, call))
  refuseManaged(kind, latest)
  const { version, changes } = await rotated(kind, latest, nowSeconds(clock))
  kind.store.commit(changes)
  return { body: kind.bundle(call.url.origin, call.vault, version) }
}

/** A new version of the key, of the same type and size, with the expiry that its policy defines. */
export async function rotated(
  { store }: ObjectKind<Key>,
  { vault, name, payload, tags, enabled }: ObjectVersion<Key>,
  nowSeconds: number,
): Promise<Prepared<Key>> {
  const { crv } = payload.jwk
  const key = crv === undefined ? await generateRsaKey(rsaBits(payload)) : await generateEcKey(crv as Curve)
  const exp = expiryOf(payload.rotationPolicy, nowSeconds)
  return store.add(vault, name, { payload: { ...payload, jwk: jwkOf(key) }, tags, enabled, exp })
}

function rsaBits({ jwk: { n = '' } }: Key): number {
  return Buffer.from(n, 'base64url').length * 8
}

async function updatePolicy({ kind, clock }: RotationOptions, call: VaultCall): Promise<VaultAnswer> {
  const given = parseRotationPolicy(await call.body())
  const latest = latestOf(liveObject(kind, call))
  refuseManaged(kind, latest)
  const updated = nowSeconds(clock)
  const { created = updated } = latest.payload.rotationPolicy ?? {}
  const rotationPolicy: RotationPolicy = { ...given, created, updated }
  kind.store.commit(kind.store.update(latest, { payload: { ...latest.payload, rotationPolicy } }).changes)
  return { body: renderPolicy(call, rotationPolicy) }
}

function renderPolicy({ url, name }: VaultCall, policy: RotationPolicy | undefined) {
  const { expiryTime, lifetimeActions = defaultLifetimeActions, created, updated } = policy ?? {}
  return {
    id: `${url.origin}/keys/${name}/rotationpolicy`,
    lifetimeActions,
    attributes: { expiryTime, created, updated },
  }
}

function nowSeconds(clock: Clock): number {
  return Math.floor(clock.now() / 1000)
}

import type { Clock } from '#lib'
import type { Permission } from '../authorize.ts'
import { latestOf, livingObject, type ObjectKind, refuseManaged } from '../object-kind.ts'
import type { ObjectVersion, Prepared } from '../object-store.ts'
import type { VaultCall, VaultOperation } from '../operation.ts'
import type { Key } from './key-kind.ts'
import { type Curve, jwkOf, makeEcKey, makeRsaKey } from './make-key.ts'
import { defaultLifetimeActions, expiryOf, parseRotationPolicy, type RotationPolicy } from './rotation-policy.ts'

export interface RotationOptions {
  kind: ObjectKind<Key>
  clock: Clock
}

/** Rotation of keys, by hand and by policy. https://learn.microsoft.com/rest/api/keyvault/keys/rotate-key */
export function rotationOperations({ kind, clock }: RotationOptions): VaultOperation[] {
  const { store } = kind
  const nowSeconds = () => Math.floor(clock.now() / 1000)

  return [
    {
      operation: 'vault.key.rotate',
      method: 'POST',
      path: '/keys/:name/rotate',
      permission: { kind: 'keys', policy: 'rotate', dataAction: 'keys/rotate/action' },
      async run(call) {
        const latest = latestOf(livingObject(kind, call))
        refuseManaged(kind, latest)
        const { version, changes } = await rotated(kind, latest, nowSeconds())
        store.commit(changes)
        return { body: kind.bundle(call.url.origin, call.vault, version) }
      },
    },
    {
      operation: 'vault.key.getRotationPolicy',
      method: 'GET',
      path: '/keys/:name/rotationpolicy',
      permission: needs('getrotationpolicy', 'read'),
      run: (call) => ({ body: render(call, latestOf(livingObject(kind, call)).payload.rotationPolicy) }),
    },
    {
      operation: 'vault.key.updateRotationPolicy',
      method: 'PUT',
      path: '/keys/:name/rotationpolicy',
      permission: needs('setrotationpolicy', 'write'),
      async run(call) {
        const given = parseRotationPolicy(await call.body())
        const latest = latestOf(livingObject(kind, call))
        refuseManaged(kind, latest)
        const { created = nowSeconds() } = latest.payload.rotationPolicy ?? {}
        const rotationPolicy: RotationPolicy = { ...given, created, updated: nowSeconds() }
        store.commit(store.update(latest, { payload: { ...latest.payload, rotationPolicy } }).changes)
        return { body: render(call, rotationPolicy) }
      },
    },
  ]
}

/** A new version of the key, of the same kind, with the life that its policy gives it. */
export async function rotated(
  { store }: ObjectKind<Key>,
  { vault, name, payload, tags, enabled }: ObjectVersion<Key>,
  nowSeconds: number,
): Promise<Prepared<Key>> {
  const { crv } = payload.jwk
  const made = crv === undefined ? await makeRsaKey(rsaBits(payload)) : await makeEcKey(crv as Curve)
  const exp = expiryOf(payload.rotationPolicy, nowSeconds)
  return store.add(vault, name, { payload: { ...payload, jwk: jwkOf(made) }, tags, enabled, exp })
}

function rsaBits({ jwk: { n = '' } }: Key): number {
  return Buffer.from(n, 'base64url').length * 8
}

function render({ url, name }: VaultCall, policy: RotationPolicy | undefined) {
  const { expiryTime, lifetimeActions = defaultLifetimeActions, created, updated } = policy ?? {}
  return {
    id: `${url.origin}/keys/${name}/rotationpolicy`,
    lifetimeActions,
    attributes: {
      ...(expiryTime !== undefined && { expiryTime }),
      ...(created !== undefined && { created, updated }),
    },
  }
}

function needs(policy: string, action: string): Permission {
  return { kind: 'keys', policy, dataAction: `keyrotationpolicies/${action}` }
}

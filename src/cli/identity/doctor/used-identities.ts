import type { ObjectSpec } from '#azure/class'
import type { Pod } from '#kubernetes/client'
import { identityAnnotations } from '../identity-keys.ts'
import { type ClassSignIn, isVaultName } from './check-class.ts'

/** An identity that the pod signs in as, and what it reads with it. */
export interface UsedIdentity {
  clientId: string
  /** Empty if it is named nowhere. */
  tenantId: string
  vaults: readonly { vaultName: string; objects: readonly ReadObject[] }[]
}

/** An object that a class reads; of the name `*` for those that a `select` finds. */
export type ReadObject = Pick<ObjectSpec, 'type' | 'name'>

/** Every identity of a pod, once: those of its classes, and the one that its SDKs get from the webhook. */
export function usedIdentities(
  pod: Pod,
  annotations: Readonly<Record<string, string>>,
  signIns: readonly ClassSignIn[],
): UsedIdentity[] {
  const found = new Map<string, { tenantId: string; objects: Map<string, ReadObject[]> }>()
  const add = (clientId: string, tenantId: string) => {
    const key = clientId.toLowerCase()
    const identity = found.get(key) ?? { tenantId, objects: new Map<string, ReadObject[]>() }
    found.set(key, identity)
    return identity.objects
  }
  for (const { clientId, tenantId, spec } of signIns) {
    if (clientId === undefined) continue
    const vaults = add(clientId, tenantId || environmentOf(pod, 'AZURE_TENANT_ID'))
    const selected = spec.selects.map(({ type, vaultName }) => ({ type, vaultName, name: '*' }))
    for (const object of [...spec.objects, ...selected]) {
      const name = object.vaultName ?? spec.values.keyvaultName
      // What cannot be a vault's name is a finding about the class.
      if (isVaultName(name)) vaults.set(name, [...(vaults.get(name) ?? []), object])
    }
  }
  const ofSdk = environmentOf(pod, 'AZURE_CLIENT_ID') || (annotations[identityAnnotations.clientId] ?? '')
  if (ofSdk !== '') {
    add(ofSdk, annotations[identityAnnotations.tenantId] || environmentOf(pod, 'AZURE_TENANT_ID'))
  }
  return [...found].map(([clientId, { tenantId, objects }]) => ({
    clientId,
    tenantId,
    vaults: [...objects].map(([vaultName, list]) => ({ vaultName, objects: list })),
  }))
}

/** The value of a variable in the first container that sets it; empty if none does. */
export function environmentOf({ spec }: Pod, variable: string): string {
  for (const { env = [] } of spec.containers) {
    const value = env.find(({ name }) => name === variable)?.value
    if (value !== undefined) return value
  }
  return ''
}

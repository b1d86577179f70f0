import type { ObjectSpec } from '#azure/class'
import type { Pod } from '#kubernetes/client'
import { identityAnnotations } from '../identity-keys.ts'
import type { ClassSignIn } from './check-class.ts'

/** An identity that the pod signs in as, and what it reads as that. */
export interface WantedIdentity {
  clientId: string
  /** Empty when it is named nowhere. */
  tenantId: string
  vaults: readonly { vaultName: string; objects: readonly ObjectSpec[] }[]
}

/** Every identity of a pod, once: those of its classes, and the one that the webhook gives to its SDKs. */
export function wantedIdentities(
  pod: Pod,
  annotations: Readonly<Record<string, string>>,
  signIns: readonly ClassSignIn[],
): WantedIdentity[] {
  const found = new Map<string, { tenantId: string; objects: Map<string, ObjectSpec[]> }>()
  const add = (clientId: string, tenantId: string) => {
    const key = clientId.toLowerCase()
    const known = found.get(key) ?? { tenantId, objects: new Map<string, ObjectSpec[]>() }
    found.set(key, known)
    return known.objects
  }
  for (const { clientId, tenantId, spec } of signIns) {
    if (clientId === undefined) continue
    const vaults = add(clientId, tenantId || environment(pod, 'AZURE_TENANT_ID'))
    for (const object of spec.objects) {
      const name = object.vaultName ?? spec.values.keyvaultName
      vaults.set(name, [...(vaults.get(name) ?? []), object])
    }
  }
  const ofAccount = annotations[identityAnnotations.clientId] || environment(pod, 'AZURE_CLIENT_ID')
  if (ofAccount !== '') add(ofAccount, annotations[identityAnnotations.tenantId] || environment(pod, 'AZURE_TENANT_ID'))
  return [...found].map(([clientId, { tenantId, objects }]) => ({
    clientId,
    tenantId,
    vaults: [...objects].map(([vaultName, list]) => ({ vaultName, objects: list })),
  }))
}

function environment({ spec }: Pod, variable: string): string {
  for (const { env = [] } of spec.containers) {
    const value = env.find(({ name }) => name === variable)?.value
    if (value !== undefined) return value
  }
  return ''
}

import { isNotFound, type KubeClient, resources, wasFound } from '#kubernetes/client'
import { identityAnnotations } from '../identity-keys.ts'
import type { ServiceAccountRef } from '../names.ts'

/** What kubelet uses when a service account sets no expiration. */
const defaultTokenExpiration = 3600

export interface ServiceAccountIdentity {
  clientId: string
  tenantId: string
  /** Seconds. */
  tokenExpiration: number
}

/** Creates the service account, or adds the annotations to it; all else that it has stays. */
export async function ensureServiceAccount(
  kube: KubeClient,
  { namespace, name }: ServiceAccountRef,
  identity: ServiceAccountIdentity,
): Promise<'created' | 'updated'> {
  const annotations = annotationsOf(identity)
  try {
    // In a merge patch, null takes an annotation away.
    await kube.patch(resources.serviceAccounts, { namespace, name }, { metadata: { annotations } })
    return 'updated'
  } catch (error) {
    if (!isNotFound(error)) throw error
  }
  const set = Object.fromEntries(Object.entries(annotations).filter(([, value]) => value !== null))
  const metadata = { namespace, name, annotations: set as Record<string, string> }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  return 'created'
}

export function annotationsOf({ clientId, tenantId, tokenExpiration }: ServiceAccountIdentity) {
  return {
    [identityAnnotations.clientId]: clientId,
    [identityAnnotations.tenantId]: tenantId,
    [identityAnnotations.tokenExpiration]: tokenExpiration === defaultTokenExpiration ? null : String(tokenExpiration),
  }
}

/** False when it was gone already. */
export function deleteServiceAccount(kube: KubeClient, ref: ServiceAccountRef): Promise<boolean> {
  return wasFound(kube.delete(resources.serviceAccounts, ref))
}

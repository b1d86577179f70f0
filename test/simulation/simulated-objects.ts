import { type KubeObject, resources, type SecretProviderClass } from '#kubernetes/client'
import type { SimulatedApiServer } from './simulated-api-server.ts'

export async function createNamespace({ admin }: SimulatedApiServer, name: string): Promise<void> {
  await admin.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
}

export function serviceAccount(namespace: string, name = 'default'): KubeObject {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace } }
}

export function classObject(
  metadata: { namespace: string; name: string },
  spec: NonNullable<SecretProviderClass['spec']>,
): SecretProviderClass {
  return { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClass', metadata, spec }
}

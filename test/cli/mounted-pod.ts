import assert from 'node:assert/strict'
import { type Pod, resources, type SecretProviderClass } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import { secretsVolume } from '../support/secrets-volume.ts'
import { bySecret, type IdentityLab } from './identity-lab.ts'

/** The pod, its service account, its class and its managed identity all have this name. */
export const name = 'orders'
export const account = { namespace: 'default', name }
export const podRef = { namespace: 'default', name }

export interface MountedSecret {
  vault: string
  clientId: string
  parameters: Record<string, string>
}

/** A vault with the secret `password`, and a pod that mounts it by workload identity; nothing is wrong with it. */
export async function createMountingPod(lab: IdentityLab, vault: string): Promise<MountedSecret> {
  await lab.azure.createVault(vault)
  const principalId = await lab.azure.principalId()
  await lab.azure.assignRole({ role: 'Key Vault Secrets Officer', principalId, vault })
  await lab.azure.setSecret(vault, 'password', 'hunter2')
  const vaultId = `/subscriptions/${lab.subscriptionId}/resourceGroups/${lab.resourceGroup}/providers/Microsoft.KeyVault/vaults/${vault}`
  const created = await lab.identity(
    ...['serviceaccount', 'create', ...bySecret, '--identity-type', 'managed-identity'],
    ...['--managed-identity-resource-group', lab.resourceGroup, '--managed-identity-name', name],
    ...['--service-account-name', name, '--service-account-issuer-url', lab.issuer],
    ...['--azure-scope', vaultId, '--azure-role', 'Key Vault Secrets User'],
  )
  assert.equal(created.code, 0, created.stderr)
  const clientId = /client\s+([0-9a-f-]{36})/.exec(created.stdout)?.[1] ?? ''
  const parameters = {
    keyvaultName: vault,
    clientID: clientId,
    tenantID: lab.azure.tenantId,
    objects: 'array:\n  - |\n    objectName: password\n    objectType: secret\n',
  }
  await lab.kube.create(resources.secretProviderClasses, classOf(parameters))
  await lab.kube.create(resources.pods, podOf(name))
  return { vault, clientId, parameters }
}

export function classOf(parameters: Record<string, string>, className = name): SecretProviderClass {
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { namespace: 'default', name: className },
    spec: { provider: 'azure', parameters },
  }
}

export function podOf(podName: string, className = name): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name: podName },
    spec: {
      serviceAccountName: name,
      containers: [
        {
          name: 'main',
          image: 'registry.k8s.io/e2e-test-images/busybox:1.29-4',
          command: ['sleep', '3600'],
          volumeMounts: [{ name: 'secrets', mountPath: '/mnt/secrets', readOnly: true }],
        },
      ],
      volumes: [secretsVolume('secrets', className)],
    },
  }
}

/** Waits until the pod is ready, and so its volume mounted. */
export async function podReady({ kube }: IdentityLab, ref = podRef): Promise<void> {
  await until(`pod ${ref.name} is ready`, async () => {
    const { status } = await kube.get(resources.pods, ref)
    return status?.conditions?.some(({ type, status: value }) => type === 'Ready' && value === 'True')
  })
}

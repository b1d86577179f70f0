import { createKubeClient, type KubeClient, type KubeEvent, resources } from '#kubernetes/client'
import { poll } from '#lib/async'
import { CliError } from '#terminal'
import type { LabCluster } from '../clusters/lab-cluster.ts'
import type { Session } from '../session.ts'
import { installProduct, removeProduct } from './install-product.ts'
import { webhookObjects } from './webhook-objects.ts'

const namespace = 'kube-system'
const name = 'azure-workload-identity-webhook-controller-manager'
const configuration = 'azure-wi-webhook-mutating-webhook-configuration'

/** Installs the workload identity webhook, or updates it, and waits until the API server can call it. */
export async function bringUpWebhook({ world }: Session, cluster: LabCluster, tenantId: string): Promise<void> {
  const kube = createKubeClient(cluster.config)
  try {
    await installProduct(kube, webhookObjects(world.packageRoot, { ...cluster, tenantId }))
    await waitUntilCallable(kube, world.signal)
  } finally {
    kube.close()
  }
}

export async function removeWebhook({ world }: Session, { config }: LabCluster): Promise<void> {
  const kube = createKubeClient(config)
  try {
    await removeProduct(kube, webhookObjects(world.packageRoot, { tenantId: '' }))
  } finally {
    kube.close()
  }
}

/** Its pods are ready, and its configuration has its CA. Throws {@link CliError} with the events of its pods after two minutes. */
async function waitUntilCallable(kube: KubeClient, signal: AbortSignal): Promise<void> {
  const isCallable = async () => {
    const deployment = await kube.get(resources.deployments, { namespace, name })
    const { webhooks } = await kube.get(resources.mutatingWebhookConfigurations, { name: configuration })
    const trusted = (webhooks as { clientConfig: { caBundle?: string } }[]).every(
      ({ clientConfig }) => (clientConfig.caBundle ?? '') !== '',
    )
    const { observedGeneration, availableReplicas = 0 } = (deployment.status ?? {}) as Record<string, number>
    return (trusted && availableReplicas > 0 && observedGeneration === deployment.metadata.generation) || undefined
  }
  const late = async () => {
    throw await notReady(kube)
  }
  await poll<boolean>(isCallable, { everyMs: 50, withinMs: 120_000, late, signal })
}

async function notReady(kube: KubeClient): Promise<CliError> {
  const { items } = await kube.list(resources.events, { namespace })
  const ofWebhook = ({ type, involvedObject }: KubeEvent) =>
    type === 'Warning' && (involvedObject.name?.startsWith(name) ?? false)
  return new CliError({
    what: 'The workload identity webhook is not working two minutes after it was installed',
    why: items
      .filter(ofWebhook)
      .map(({ reason, message }) => `${reason}: ${message}`)
      .join('; '),
    fix: [`see its log: kubectl -n ${namespace} logs deployment/${name}`],
  })
}

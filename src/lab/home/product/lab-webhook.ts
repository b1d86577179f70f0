import { setTimeout as delay } from 'node:timers/promises'
import { createKubeClient, type KubeClient, type KubeEvent, resources } from '#kubernetes/client'
import { CliError } from '#terminal'
import type { LabCluster } from '../clusters/lab-cluster.ts'
import type { Session } from '../session.ts'
import { installProduct, removeProduct } from './install-product.ts'
import { webhookObjects } from './webhook-objects.ts'

const namespace = 'kube-system'
const name = 'azure-workload-identity-webhook-controller-manager'
const configuration = 'azure-wi-webhook-mutating-webhook-configuration'

/** Installs the webhook of workload identity, or brings it up to date, and waits until the API server can ask it. */
export async function bringUpWebhook({ world }: Session, cluster: LabCluster, tenantId: string): Promise<void> {
  const kube = createKubeClient(cluster.config)
  try {
    await installProduct(kube, webhookObjects(world.packageRoot, { ...cluster, tenantId }))
    await waitUntilAsked(kube, world.signal)
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

/** The webhook is ready, and its configuration trusts it. Throws {@link CliError} with what its pods say, after two minutes. */
async function waitUntilAsked(kube: KubeClient, signal: AbortSignal): Promise<void> {
  const deadline = Date.now() + 120_000
  for (;;) {
    signal.throwIfAborted()
    const deployment = await kube.get(resources.deployments, { namespace, name })
    const { webhooks } = await kube.get(resources.mutatingWebhookConfigurations, { name: configuration })
    const trusted = (webhooks as { clientConfig: { caBundle?: string } }[]).every(
      ({ clientConfig }) => (clientConfig.caBundle ?? '') !== '',
    )
    const { observedGeneration, availableReplicas = 0 } = (deployment.status ?? {}) as Record<string, number>
    if (trusted && availableReplicas > 0 && observedGeneration === deployment.metadata.generation) return
    if (Date.now() > deadline) throw await notReady(kube)
    await delay(50)
  }
}

async function notReady(kube: KubeClient): Promise<CliError> {
  const { items } = await kube.list(resources.events, { namespace })
  const ofWebhook = ({ type, involvedObject }: KubeEvent) =>
    type === 'Warning' && (involvedObject.name?.startsWith(name) ?? false)
  return new CliError({
    what: 'The webhook of workload identity does not work two minutes after it was installed',
    why: items
      .filter(ofWebhook)
      .map(({ reason, message }) => `${reason}: ${message}`)
      .join('; '),
    fix: [`look into its log: kubectl -n ${namespace} logs deployment/${name}`],
  })
}

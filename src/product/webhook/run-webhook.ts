import { clusterConfig, workloadIdentityUserAgent } from '#daemon'
import { createKubeClient } from '#kubernetes/client'
import type { Log, Running } from '#lib'
import type { Environment } from '#lib/flags'
import type { WebhookProgramConfig } from './config.ts'
import { startWebhook } from './start-webhook.ts'

/** The webhook in the cluster that the command line, KUBECONFIG or the pod names. */
export async function startWebhookDaemon(config: WebhookProgramConfig, env: Environment, log: Log): Promise<Running> {
  await using started = new AsyncDisposableStack()
  const kube = createKubeClient(clusterConfig(config.kubeconfig, env), {
    userAgent: workloadIdentityUserAgent('webhook', env),
  })
  started.defer(kube.close)
  const webhook = await startWebhook(config.webhook, { kube, log })
  started.defer(webhook.stop)
  const { port, healthPort, metricsPort } = webhook
  log.info({ port, healthPort, metricsPort }, 'listening')
  const running = started.move()
  return { stop: () => running.disposeAsync() }
}

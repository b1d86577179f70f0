import type { SecureVersion } from 'node:tls'
import type { KubeClient } from '#kubernetes/client'
import { type Clock, type Log, type Running, sleep, systemClock } from '#lib'
import { retry } from '#lib/async'
import type { ListenAddress } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import { createAdmitClass } from './admit-class.ts'
import { createAdmitPod } from './admit-pod.ts'
import { expiryOf } from './certificates/check-certificate.ts'
import { keepCertificates } from './certificates/keep-certificates.ts'
import { followCertificateFiles } from './certificates/read-certificate-files.ts'
import type { ServingCertificate } from './certificates/serving-certificate.ts'
import { mutatingConfigurations, validatingConfigurations } from './certificates/webhook-configuration.ts'
import { healthRoutes } from './health.ts'
import { hasNativeSidecars, type ServerVersion } from './native-sidecars.ts'
import { serveAdmission } from './serve-admission.ts'
import { followServiceAccounts } from './service-accounts.ts'
import { createWebhookMetrics } from './webhook-metrics.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/** Names that charts and people rely on. */
export const webhookNames = {
  configuration: 'azure-wi-webhook-mutating-webhook-configuration',
  service: 'azure-wi-webhook-webhook-service',
  secret: 'azure-wi-webhook-server-cert',
  /** Ours: upstream checks no classes. */
  classConfiguration: 'keymount-class-checks',
} as const

export type CertificateSource =
  /** Made and renewed by the webhook, in a Secret of this namespace. */
  | { kind: 'own'; namespace: string; settleMs?: number }
  /** Somebody else's files `tls.crt` and `tls.key`; the configuration's caBundle is theirs too. */
  | { kind: 'files'; directory: string }

export interface WebhookConfig {
  /** Where the API server calls. */
  address: ListenAddress
  minVersion: SecureVersion
  /** Undefined: none. */
  healthAddress: ListenAddress | undefined
  metricsAddress: ListenAddress | undefined
  certificates: CertificateSource
  /** Label selector of the service accounts that are followed; empty for all. */
  serviceAccountSelector: string
  /** What becomes of SecretProviderClasses that cannot work; `off` looks at none. */
  classChecks: 'off' | 'warn' | 'refuse'
  /** How long it goes on answering after it was told to stop, in milliseconds: until nobody sends requests any more. */
  drainMs: number
  settings: Omit<WebhookSettings, 'proxy'> & { proxy: Omit<WebhookSettings['proxy'], 'nativeSidecar'> }
}

export interface WebhookWorld {
  kube: KubeClient
  log: Log
  clock?: Clock
}

export interface RunningWebhook extends Running {
  port: number
  healthPort: number | undefined
  metricsPort: number | undefined
}

/** Starts to listen at once; it is ready when it has a certificate that the API server trusts and knows the service accounts. */
export async function startWebhook(config: WebhookConfig, world: WebhookWorld): Promise<RunningWebhook> {
  const started: Running[] = []
  try {
    return await start(config, world, started)
  } catch (error) {
    // A port that is taken, for one: what runs already would keep the process alive.
    await Promise.all(started.map((running) => running.stop()))
    throw error
  }
}

async function start(config: WebhookConfig, world: WebhookWorld, started: Running[]): Promise<RunningWebhook> {
  const { kube, log, clock = systemClock } = world
  const keep = <T extends Running>(running: T): T => {
    started.push(running)
    return running
  }
  const metrics = createWebhookMetrics()
  const nativeSidecar = hasNativeSidecars(await serverVersion(kube, clock))
  const accounts = keep(followServiceAccounts({ kube, log, labelSelector: config.serviceAccountSelector }))
  metrics.accounts(accounts.size)
  const settings = { ...config.settings, proxy: { ...config.settings.proxy, nativeSidecar } }
  const admitPod = createAdmitPod({ settings, annotationsOf: accounts.annotationsOf, metrics, log })
  const waiting = new Set(['no certificate yet', 'service accounts are not listed yet'])
  void accounts.synced.then(() => waiting.delete('service accounts are not listed yet'))

  const { address, minVersion, classChecks } = config
  const routes = {
    '/mutate-v1-pod': admitPod,
    ...(classChecks === 'off'
      ? {}
      : { '/validate-secretproviderclass': createAdmitClass({ checks: classChecks, metrics, log }) }),
  }
  const server = keep(await serveAdmission({ address, minVersion, routes }))
  const onCertificate = (certificate: ServingCertificate) => {
    server.use(certificate)
    metrics.certificateExpires(expiryOf(certificate.cert))
    waiting.delete('no certificate yet')
  }
  keep(startCertificates(config, { kube, log, clock, onCertificate }))
  const self = { host: address.host ?? '127.0.0.1', port: server.port }
  const health =
    config.healthAddress &&
    keep(await serveStatus(config.healthAddress, healthRoutes({ self, notReady: () => [...waiting][0] })))
  const status = config.metricsAddress && keep(await serveMetrics(config.metricsAddress, metrics.text))

  return {
    port: server.port,
    healthPort: health?.port,
    metricsPort: status?.port,
    async stop() {
      waiting.add('stopping')
      server.drain()
      await sleep(config.drainMs, { clock })
      await server.stop()
      await Promise.all(started.map((running) => running.stop()))
    },
  }
}

/** A replica that starts while the API server is away has about ten seconds of patience; then kubelet starts it again. */
async function serverVersion(kube: KubeClient, clock: Clock): Promise<ServerVersion> {
  const text = await retry(() => kube.raw({ method: 'GET', path: '/version' }), { attempts: 8, maxMs: 3000, clock })
  return JSON.parse(text) as ServerVersion
}

function startCertificates(
  { certificates, classChecks }: WebhookConfig,
  world: { kube: KubeClient; log: Log; clock: Clock; onCertificate(certificate: ServingCertificate): void },
): Running {
  if (certificates.kind === 'files') return followCertificateFiles({ directory: certificates.directory, ...world })
  const { namespace, settleMs } = certificates
  return keepCertificates({
    ...world,
    service: { name: webhookNames.service, namespace },
    secretName: webhookNames.secret,
    configurations: [
      { resource: mutatingConfigurations, name: webhookNames.configuration, required: true },
      ...(classChecks === 'off'
        ? []
        : [{ resource: validatingConfigurations, name: webhookNames.classConfiguration, required: false }]),
    ],
    ...(settleMs === undefined ? {} : { settleMs }),
  })
}

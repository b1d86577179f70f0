import type { SecureVersion } from 'node:tls'
import type { KubeClient, ServerVersion } from '#kubernetes/client'
import { type Clock, type Log, type Running, sleep, systemClock } from '#lib'
import { retry } from '#lib/async'
import type { ListenAddress } from '#lib/flags'
import { parseJson } from '#lib/formats'
import { serveMetrics, serveStatus } from '#lib/http'
import { createWorkerPool } from '#lib/worker'
import { classAdmission } from './admit-class.ts'
import { podAdmission } from './admit-pod.ts'
import type { Admission } from './answer-review.ts'
import { expiryOf } from './certificates/check-certificate.ts'
import { followCertificateFiles } from './certificates/follow-certificate-files.ts'
import { maintainCertificates } from './certificates/maintain-certificates.ts'
import type { ServingCertificate } from './certificates/serving-certificate.ts'
import { mutatingConfigurations, validatingConfigurations } from './certificates/webhook-configuration.ts'
import { envFilesProblem, hasNativeSidecars, mayRestartAllContainers } from './cluster-features.ts'
import { healthRoutes } from './health.ts'
import { webhookLimits } from './limits.ts'
import { type AdmissionServer, type ClientCertificates, serveAdmission } from './serve-admission.ts'
import { followServiceAccounts } from './service-accounts.ts'
import { createWebhookMetrics, type WebhookMetrics } from './webhook-metrics.ts'
import type { WebhookSettings } from './webhook-settings.ts'

/** Names that charts and users rely on. */
export const webhookNames = {
  configuration: 'azure-wi-webhook-mutating-webhook-configuration',
  service: 'azure-wi-webhook-webhook-service',
  secret: 'azure-wi-webhook-server-cert',
  /** Ours: upstream does not check classes. */
  classConfiguration: 'keymount-class-checks',
} as const

export type CertificateSource =
  /** Issued and renewed by the webhook, in a Secret of this namespace. */
  | { kind: 'own'; namespace: string; propagationMs?: number | undefined }
  /** Files `tls.crt` and `tls.key` that other software maintains, as it does the caBundle of the configuration. */
  | { kind: 'files'; directory: string }

export interface WebhookConfig {
  /** Address that the API server calls. */
  address: ListenAddress
  minVersion: SecureVersion
  /** Undefined: clients need no certificate. */
  clients: ClientCertificates | undefined
  /** Undefined: not served. */
  healthAddress: ListenAddress | undefined
  metricsAddress: ListenAddress | undefined
  certificates: CertificateSource
  /** Label selector of the service accounts that are watched; empty for all. */
  serviceAccountSelector: string
  /** What happens to SecretProviderClasses that cannot work; with `off` none is checked. */
  classChecks: 'off' | 'warn' | 'refuse'
  /** How long requests are still answered after `stop`, in milliseconds: until clients no longer send any. */
  drainMs: number
  /** Pods may ask for environment variables from files. Default false. */
  envFiles?: boolean | undefined
  settings: Omit<WebhookSettings, 'proxy' | 'envFiles'> & { proxy: Omit<WebhookSettings['proxy'], 'nativeSidecar'> }
}

export interface WebhookWorld {
  kube: KubeClient
  log: Log
  clock?: Clock | undefined
  /** File of the threads that check classes. Default: that of every daemon. */
  workerEntry?: string | undefined
}

export interface RunningWebhook extends Running {
  port: number
  healthPort: number | undefined
  metricsPort: number | undefined
}

/**
 * Listens at once. It is ready when it has a certificate that the API server trusts, and has listed the service accounts.
 * Rejects, with nothing left running, when it cannot start.
 */
export async function startWebhook(config: WebhookConfig, world: WebhookWorld): Promise<RunningWebhook> {
  const { kube, log, clock = systemClock } = world
  await using started = new AsyncDisposableStack()
  const metrics = createWebhookMetrics()
  const readiness = createReadiness()
  const version = await serverVersion(kube, clock)
  const nativeSidecar = hasNativeSidecars(version)
  const restartsAllContainers = mayRestartAllContainers(version)
  const accounts = followServiceAccounts({ kube, log, labelSelector: config.serviceAccountSelector })
  started.defer(accounts.stop)
  metrics.accounts(accounts.size)
  accounts.synced.then(readiness.accountsListed, () => undefined)

  const envFiles = config.envFiles === true ? { problem: envFilesProblem(version) } : undefined
  const proxy = { ...config.settings.proxy, nativeSidecar }
  const settings = { ...config.settings, restartsAllContainers, envFiles, proxy }
  const admissions: Record<string, Admission> = {
    '/mutate-v1-pod': podAdmission({ settings, accounts, metrics, log }),
  }
  if (config.classChecks !== 'off') {
    const tasks = createWorkerPool({ ...checkThreads, entry: world.workerEntry })
    started.defer(tasks.stop)
    admissions['/validate-secretproviderclass'] = classAdmission({ checks: config.classChecks, tasks, metrics, log })
  }
  const { address, minVersion, clients } = config
  const server = await serveAdmission({ address, minVersion, clients, admissions })
  started.defer(server.stop)
  const canServe = accounts.synced
  const certificates = startCertificates(config, { kube, log, clock, server, metrics, readiness, canServe })
  started.defer(certificates.stop)
  const self = { host: address.host ?? '127.0.0.1', port: server.port }
  const routes = healthRoutes({ self, notReady: readiness.reason })
  const health = config.healthAddress && (await serveStatus(config.healthAddress, routes))
  started.defer(async () => health?.stop())
  const status = config.metricsAddress && (await serveMetrics(config.metricsAddress, metrics.text))
  started.defer(async () => status?.stop())

  const running = started.move()
  const stop = async () => {
    readiness.stopping()
    server.drain()
    await sleep(config.drainMs, { clock })
    await running.disposeAsync()
  }
  let stopped: Promise<void> | undefined
  return {
    port: server.port,
    healthPort: health?.port,
    metricsPort: status?.port,
    stop: () => {
      stopped ??= stop()
      return stopped
    },
  }
}

/** The API server waits five seconds for a check of a class by default. */
const checkThreads = {
  threads: 2,
  heapMib: 32,
  timeoutMs: webhookLimits.classCheck.value,
  maxWaitMs: 2000,
  maxQueued: 50,
}

/** A replica that starts while the API server is away waits about ten seconds; then kubelet restarts it. */
async function serverVersion(kube: KubeClient, clock: Clock): Promise<ServerVersion> {
  const text = await retry(() => kube.raw({ method: 'GET', path: '/version' }), { attempts: 8, maxMs: 3000, clock })
  return parseJson('the version of the API server', text) as ServerVersion
}

type Readiness = ReturnType<typeof createReadiness>

/** What the webhook still waits for. */
function createReadiness() {
  let [certificate, listed, registered, ending] = [false, false, false, false]
  let clockProblem: string | undefined
  return {
    certificateReady: () => {
      certificate = true
    },
    accountsListed: () => {
      listed = true
    },
    registered: () => {
      registered = true
    },
    clock: (problem: string | undefined) => {
      clockProblem = problem
    },
    stopping: () => {
      ending = true
    },
    /** Why no requests should be sent; undefined when they may. */
    reason: (): string | undefined => {
      if (ending) return 'stopping'
      if (!certificate) return clockProblem ?? 'no certificate yet'
      if (!listed) return 'service accounts are not listed yet'
      return registered ? undefined : 'not registered yet: the webhook configuration has no rules'
    },
  }
}

interface CertificateWorld {
  kube: KubeClient
  log: Log
  clock: Clock
  server: AdmissionServer
  metrics: WebhookMetrics
  readiness: Readiness
  canServe: Promise<void>
}

/** Requests that each configuration sends us. */
const rules = {
  pods: { apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['pods'], scope: '*' },
  classes: {
    apiGroups: ['secrets-store.csi.x-k8s.io'],
    apiVersions: ['v1'],
    operations: ['CREATE', 'UPDATE'],
    resources: ['secretproviderclasses'],
    scope: '*',
  },
} as const

function startCertificates({ certificates, classChecks }: WebhookConfig, world: CertificateWorld): Running {
  const { kube, log, clock, server, metrics, readiness, canServe } = world
  const onCertificate = (certificate: ServingCertificate) => {
    server.use(certificate)
    metrics.certificateExpires(expiryOf(certificate.cert))
    readiness.certificateReady()
  }
  if (certificates.kind === 'files') {
    // The software that maintains the caBundle of the configuration maintains its rules too.
    readiness.registered()
    return followCertificateFiles({ directory: certificates.directory, log, clock, onCertificate })
  }
  const { namespace, propagationMs } = certificates
  const forPods = { resource: mutatingConfigurations, name: webhookNames.configuration, rule: rules.pods }
  const forClasses = { resource: validatingConfigurations, name: webhookNames.classConfiguration, rule: rules.classes }
  return maintainCertificates({
    kube,
    log,
    clock,
    service: { name: webhookNames.service, namespace },
    secretName: webhookNames.secret,
    configurations: [
      { ...forPods, required: true },
      ...(classChecks === 'off' ? [] : [{ ...forClasses, required: false }]),
    ],
    propagationMs,
    onCertificate,
    canServe,
    onRegistered: readiness.registered,
    onClock: readiness.clock,
  })
}

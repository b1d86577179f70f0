import {
  type Cloud,
  createAcquireToken,
  createIdentityKeys,
  createSignInLoad,
  createTokenProxy,
  createTokenSource,
  createTokenVerifier,
  type TokenProxy,
  type TokenProxyOptions,
} from '#azure/identity'
import { createVaultClient } from '#azure/keyvault'
import { startTracing } from '#daemon'
import type { KubeConfig } from '#kubernetes/client'
import { type NodeSockets, socketsOf, unixSockets } from '#kubernetes/sockets'
import { type Clock, type Log, noTracer, type Running, systemClock, type Tracer } from '#lib'
import type { Endpoint, Environment, ListenAddress } from '#lib/flags'
import {
  createHttpClient,
  createRetryingSend,
  type HttpClient,
  type HttpClientOptions,
  type HttpRetryOptions,
  serveMetrics,
  serveStatus,
} from '#lib/http'
import { createWorkerPool, type TaskRunner } from '#lib/worker'
import { createByteBudget } from './byte-budget.ts'
import { createCluster } from './cluster.ts'
import { askOwnHealth } from './health.ts'
import { createLastGood } from './last-good.ts'
import type { ManagedIdentityPolicy } from './managed-identities.ts'
import { createMount, type Mount } from './mount.ts'
import { prepare } from './prepare.ts'
import { providerLimits } from './provider-limits.ts'
import { createProviderMetrics, type ObjectNameLabels, type ProviderMetrics } from './provider-metrics.ts'
import { createReadCache } from './read-cache.ts'
import type { CloudDefaults } from './resolve-cloud.ts'
import type { VaultAccess } from './resolve-volume.ts'
import { serveGrpc } from './serve-grpc.ts'
import { createTickTurns, createVaultTurns } from './vault-turns.ts'

export interface ProviderConfig {
  /** Where the driver finds us. */
  endpoint: Endpoint
  /** Default: those of Node. */
  sockets?: NodeSockets | undefined
  /** Version that the protocol's Version call answers. */
  version: string
  log: Log
  /** Where `/metrics` is; port 0 for a free one, undefined for none. */
  metricsAddress?: ListenAddress | undefined
  /** Where the liveness probe is; port 0 for a free one, undefined for none. */
  healthAddress?: ListenAddress | undefined
  /** Of mounts, sign-ins and reads. Default: none. */
  tracer?: Tracer | undefined
  /** Default `/healthz`. */
  healthPath?: string | undefined
  /** Default 5,000 ms. */
  healthTimeoutMs?: number | undefined
  cloud: CloudDefaults
  /** Tenant of classes and service accounts that name none; empty for none. */
  defaultTenantId: string
  /** Audiences of the service account token that Entra exchanges, the preferred one first. Default: Entra's own. */
  tokenAudiences?: readonly string[] | undefined
  /** Default `any`. */
  managedIdentities?: ManagedIdentityPolicy | undefined
  /** The cluster's API server, for annotations of service accounts and for the keys of their tokens; undefined for none. */
  kube?: KubeConfig | undefined
  /** Proxy and trust for Entra and vaults. */
  http: Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa' | 'timeoutMs'>
  /** The local Azure that classes with `useEmulator` reach. */
  emulator?: { cloud: Cloud; http: Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa'> } | undefined
  /** Default `http://169.254.169.254`. */
  imdsEndpoint?: string | undefined
  /** Default `http://127.0.0.1:2579`. */
  nmiEndpoint?: string | undefined
  /** For identity bindings; undefined for none. Nothing is opened before the first class that asks. */
  tokenProxy?: TokenProxyOptions | undefined
  /** See `ReadCacheOptions`. Default 5 s. */
  readShareMs?: number | undefined
  /** How old a value may be that starts a pod in an outage, of classes without serveStaleFor. Default 0: none. */
  staleMs?: number | undefined
  /** The same of any class. Default 72 hours. */
  maxStaleMs?: number | undefined
  /** See `providerLimits`. */
  lastGoodBytes?: number | undefined
  /** How long a token is held. Default 10 minutes. */
  tokenHoldMs?: number | undefined
  /** See `providerLimits`. */
  maxMountBytes?: number | undefined
  maxAnswerBytes?: number | undefined
  /** Default true. */
  constructPemChain?: boolean | undefined
  /** Default false. */
  separateFiles?: boolean | undefined
  /** How metrics show names of objects. Default `plain`. */
  objectNameLabels?: ObjectNameLabels | undefined
  /** Whether to open connections and to compile code before the first mount. Default false. */
  prepare?: boolean | undefined
  /** Added to the user agent. */
  userAgent?: string | undefined
  clock?: Clock | undefined
}

export interface RunningProvider extends Running {
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** The provider with the sockets of this process: through the relay where one has started it. */
export async function startProviderDaemon(config: ProviderConfig, env: Environment): Promise<Running> {
  await using started = new AsyncDisposableStack()
  const sockets = socketsOf(env, config.log)
  started.defer(async () => sockets.stop())
  const { log, version } = config
  const tracing = await startTracing(env, { service: 'keymount-provider', version, log })
  started.defer(tracing.stop)
  const provider = await startProvider({ ...config, sockets, tracer: tracing.tracer })
  started.defer(provider.stop)
  const running = started.move()
  return { stop: () => running.disposeAsync(), stopRequested: sockets.stopRequested }
}

/** Starts everything and gives it back to be stopped; nothing is left behind when something cannot start. */
export async function startProvider(config: ProviderConfig): Promise<RunningProvider> {
  const {
    endpoint,
    sockets = unixSockets,
    log,
    clock = systemClock,
    metricsAddress,
    healthAddress,
    healthPath = '/healthz',
  } = config
  await using started = new AsyncDisposableStack()
  const metrics = createProviderMetrics({ clock, objectNames: config.objectNameLabels })
  const mount = openMount(config, { metrics, clock, started })
  const metricsServer = metricsAddress && (await serveMetrics(metricsAddress, metrics.text))
  if (metricsServer !== undefined) started.defer(() => metricsServer.stop())
  const server = await serveGrpc({
    mount,
    endpoint,
    sockets,
    runtimeVersion: config.version,
    metrics,
    tracer: config.tracer,
    log,
  })
  started.defer(() => server.stop())
  const address = endpoint.kind === 'unix' ? sockets.address(endpoint.path) : endpoint.address
  const health =
    healthAddress &&
    (await serveStatus(healthAddress, {
      [healthPath]: () => askOwnHealth(address, config.healthTimeoutMs),
    }))
  if (health !== undefined) started.defer(() => health.stop())

  const ports = { metricsPort: metricsServer?.port, healthPort: health?.port }
  if (config.kube === undefined)
    log.info(
      'no cluster to ask: classes must name clientID and tenantID, and pods share reads only with the same token',
    )
  log.info({ endpoint, ...ports }, 'ready')
  const running = started.move()
  return { ...ports, stop: () => running.disposeAsync() }
}

interface Shared {
  metrics: ProviderMetrics
  clock: Clock
  started: AsyncDisposableStack
  /** To Entra and the vaults. Default: one of the configuration. */
  client?: HttpClient | undefined
}

/** The mount call with all that it needs; `started` gets what has to be stopped after the last call. */
export function openMount(config: ProviderConfig, { metrics, clock, started, client }: Shared): Mount {
  const opened = <T extends { stop(): unknown }>(part: T): T => {
    started.defer(async () => void (await part.stop()))
    return part
  }
  const cluster = config.kube && opened(createCluster(config.kube))
  const tasks = opened(createKeyMaterialPool())
  const cache = opened(createReadCache({ clock, shareMs: config.readShareMs }))
  const lastGood = opened(createLastGood({ clock, maxBytes: config.lastGoodBytes }))
  metrics.lastGoodBytes(() => lastGood.bytes)
  const onNode = opened(createHttpClient({ maxSockets: 64 }))
  const { vaultRequests, preparedConnections, preparedConnectionsOfNamespace } = providerLimits
  const prepared = { total: preparedConnections.value, perOwner: preparedConnectionsOfNamespace.value }
  const pool = { maxSockets: vaultRequests.value, prepared }
  const out = opened(client ?? createHttpClient({ ...config.http, ...pool }))
  const outToEmulator = config.emulator && opened(createHttpClient({ ...config.emulator.http, ...pool }))
  const tokenProxy = config.tokenProxy && opened(createTokenProxy(config.tokenProxy))
  const verifier = cluster && createTokenVerifier({ fetchKeys: cluster.tokenKeys, clock })
  if (config.prepare === true)
    started.defer(prepare({ client: out, cloudName: config.cloud.cloudName, readKeys: verifier?.prepare, clock }))
  const accessThrough = (client: HttpClient) =>
    createAccess({ client, onNode, tokenProxy, tasks, metrics, clock, config })
  return createMount({
    cloud: config.cloud,
    credential: {
      tenantId: config.defaultTenantId,
      audiences: config.tokenAudiences,
      serviceAccountAnnotations: cluster?.serviceAccountAnnotations,
    },
    managedIdentities: config.managedIdentities ?? 'any',
    access: accessThrough(out),
    emulator: config.emulator &&
      outToEmulator && { cloud: config.emulator.cloud, access: accessThrough(outToEmulator) },
    identityKeys: createIdentityKeys({ verify: verifier?.verify }),
    cache,
    lastGood,
    stale: { defaultMs: config.staleMs ?? 0, maxMs: config.maxStaleMs ?? 72 * 3_600_000 },
    turns: createVaultTurns(),
    tickTurns: createTickTurns({ clock }),
    budget: createByteBudget({ perMount: config.maxMountBytes, total: config.maxAnswerBytes }),
    tasks,
    constructPemChain: config.constructPemChain ?? true,
    separateFiles: config.separateFiles ?? false,
    metrics,
    log: config.log,
    clock,
  })
}

function createKeyMaterialPool(): TaskRunner {
  const { keyMaterialMs, keyMaterialHeap } = providerLimits
  return createWorkerPool({ timeoutMs: keyMaterialMs.value, heapMib: keyMaterialHeap.value / (1024 * 1024) })
}

interface AccessOptions {
  client: HttpClient
  onNode: HttpClient
  tokenProxy: TokenProxy | undefined
  tasks: TaskRunner
  metrics: ProviderMetrics
  clock: Clock
  config: ProviderConfig
}

/** Retries, sign-in and vault calls over one HTTP client. */
function createAccess({ client, onNode, tokenProxy, tasks, metrics, clock, config }: AccessOptions): VaultAccess {
  const load = createSignInLoad({ clock })
  const onThrottled: HttpRetryOptions['onThrottled'] = (host, _, { status, throttleKey }) => {
    metrics.throttled(host)
    if (status !== 429 || throttleKey === undefined) return
    load.rise(throttleKey)
    metrics.entraRequest('throttled')
  }
  const retrying = (send: HttpClient['send']) => createRetryingSend({ send, clock, onThrottled })
  const send = retrying(client.send)
  const sendToVault = retrying((request) => {
    metrics.vaultRequest(request.url.hostname)
    return client.send(request)
  })
  const acquire = createAcquireToken({
    send,
    sendOnNode: onNode.send,
    sendThroughTokenProxy: tokenProxy && retrying(tokenProxy.send),
    imdsEndpoint: config.imdsEndpoint,
    nmiEndpoint: config.nmiEndpoint,
    clock,
    tasks,
  })
  const { tracer = noTracer } = config
  const tokens = createTokenSource({
    acquire: (credential, request) =>
      tracer.span({ name: 'sign-in', kind: 'client', attributes: { kind: credential.kind } }, () =>
        acquire(credential, request),
      ),
    clock,
    onAcquired: metrics.signIn,
    holdMs: config.tokenHoldMs,
    loadOf: load.of,
  })
  const userAgent = ['csi-secrets-store/', config.version, ' (linux; keymount) ', config.userAgent ?? '']
    .join('')
    .trim()
  return {
    tokens,
    tracer,
    client: createVaultClient({ send: sendToVault, userAgent, clock }),
    prepare: ({ origin }, count, owner) => client.prepare(new URL(origin), count, owner),
  }
}

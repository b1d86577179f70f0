import {
  type AcquireTokenOptions,
  type Cloud,
  createAcquireToken,
  createIdentityKeys,
  createTokenProxy,
  createTokenSource,
  createTokenVerifier,
  type TokenProxy,
  type TokenProxyOptions,
} from '#azure/identity'
import { createVaultClient } from '#azure/keyvault'
import type { KubeConfig } from '#kubernetes/client'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import type { ListenAddress } from '#lib/flags'
import {
  createHttpClient,
  createRetryingSend,
  type HttpClient,
  type HttpClientOptions,
  serveMetrics,
  serveStatus,
} from '#lib/http'
import { createCluster } from './cluster.ts'
import { askOwnHealth } from './health.ts'
import { createMount, type VaultAccess } from './mount.ts'
import { createProviderMetrics, type ProviderMetrics } from './provider-metrics.ts'
import { createReadCache } from './read-cache.ts'
import type { CloudDefaults } from './resolve-cloud.ts'
import { type ServeGrpcOptions, serveGrpc } from './serve-grpc.ts'

export interface ProviderConfig {
  /** Where the driver finds us. */
  endpoint: ServeGrpcOptions['endpoint']
  /** Version that the protocol's Version call tells. */
  version: string
  log: Log
  /** Where `/metrics` is; port 0 for a free one, undefined for none. */
  metricsAddress?: ListenAddress | undefined
  /** Where the liveness probe is; port 0 for a free one, undefined for none. */
  healthAddress?: ListenAddress | undefined
  /** Default `/healthz`. */
  healthPath?: string
  /** Default 5,000 ms. */
  healthTimeoutMs?: number
  cloud: CloudDefaults
  /** Tenant of classes and service accounts that name none; empty for none. */
  defaultTenantId: string
  /** The cluster's API server, for what service accounts say of themselves and for the keys of their tokens; undefined for none. */
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
  /** See `ReadCacheOptions`. Defaults 5 s and never. */
  readShareMs?: number
  staleMs?: number
  /** How long a token is held. Default 10 minutes. */
  tokenHoldMs?: number
  constructPemChain?: boolean
  separateFiles?: boolean
  /** Added to the user agent. */
  userAgent?: string
  clock?: Clock
}

export interface RunningProvider extends Running {
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** Starts everything and gives it back to be stopped; nothing is left behind when a part cannot start. */
export async function startProvider(config: ProviderConfig): Promise<RunningProvider> {
  const { endpoint, log, clock = systemClock } = config
  const metrics = createProviderMetrics({ clock })
  const cache = createReadCache({
    clock,
    onOutcome: metrics.cache,
    ...(config.readShareMs === undefined ? {} : { shareMs: config.readShareMs }),
    ...(config.staleMs === undefined ? {} : { staleMs: config.staleMs }),
  })
  const cluster = config.kube === undefined ? undefined : createCluster(config.kube)
  const onNode = createHttpClient({ maxSockets: 64 })
  const out = createHttpClient(config.http)
  const outToEmulator = config.emulator === undefined ? undefined : createHttpClient(config.emulator.http)
  const tokenProxy = config.tokenProxy === undefined ? undefined : createTokenProxy(config.tokenProxy)
  const accessThrough = (client: HttpClient) => createAccess({ client, onNode, tokenProxy, metrics, clock, config })
  const mount = createMount({
    cloud: config.cloud,
    credential: {
      tenantId: config.defaultTenantId,
      ...(cluster === undefined ? {} : { serviceAccountAnnotations: cluster.serviceAccountAnnotations }),
    },
    access: accessThrough(out),
    emulator:
      config.emulator === undefined || outToEmulator === undefined
        ? undefined
        : { cloud: config.emulator.cloud, access: accessThrough(outToEmulator) },
    identityKeys: createIdentityKeys(
      cluster === undefined ? {} : { verify: createTokenVerifier({ fetchKeys: cluster.tokenKeys, clock }) },
    ),
    cache,
    constructPemChain: config.constructPemChain ?? true,
    separateFiles: config.separateFiles ?? false,
    metrics,
    log,
  })

  const started: Running[] = []
  const stop = async () => {
    for (const part of started.toReversed()) await part.stop()
    for (const client of [onNode, out, outToEmulator]) client?.stop()
    tokenProxy?.stop()
    cluster?.stop()
    cache.stop()
  }
  try {
    const metricsServer =
      config.metricsAddress === undefined ? undefined : await serveMetrics(config.metricsAddress, metrics.text)
    if (metricsServer !== undefined) started.push(metricsServer)
    started.push(await serveGrpc({ mount, endpoint, runtimeVersion: config.version, metrics, log }))
    const target = endpoint.kind === 'unix' ? `unix:${endpoint.path}` : endpoint.address
    const health =
      config.healthAddress === undefined
        ? undefined
        : await serveStatus(config.healthAddress, {
            [config.healthPath ?? '/healthz']: () => askOwnHealth(target, config.healthTimeoutMs),
          })
    if (health !== undefined) started.push(health)
    return { metricsPort: metricsServer?.port, healthPort: health?.port, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

interface AccessOptions {
  client: HttpClient
  onNode: HttpClient
  tokenProxy: TokenProxy | undefined
  metrics: ProviderMetrics
  clock: Clock
  config: ProviderConfig
}

/** Patience, sign-in and vault calls over one HTTP client. */
function createAccess({ client, onNode, tokenProxy, metrics, clock, config }: AccessOptions): VaultAccess {
  const send = createRetryingSend({ send: client.send, clock, onThrottled: metrics.throttled })
  const acquire: AcquireTokenOptions = {
    send,
    sendOnNode: onNode.send,
    ...(tokenProxy === undefined
      ? {}
      : {
          sendThroughTokenProxy: createRetryingSend({ send: tokenProxy.send, clock, onThrottled: metrics.throttled }),
        }),
    clock,
    ...(config.imdsEndpoint === undefined ? {} : { imdsEndpoint: config.imdsEndpoint }),
    ...(config.nmiEndpoint === undefined ? {} : { nmiEndpoint: config.nmiEndpoint }),
  }
  const tokens = createTokenSource({
    acquire: createAcquireToken(acquire),
    clock,
    onAcquired: metrics.token,
    ...(config.tokenHoldMs === undefined ? {} : { holdMs: config.tokenHoldMs }),
  })
  const userAgent = `csi-secrets-store/${config.version} (linux; keymount)${config.userAgent === undefined || config.userAgent === '' ? '' : ` ${config.userAgent}`}`
  return { tokens, client: createVaultClient({ send, userAgent }) }
}

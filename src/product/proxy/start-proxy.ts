import { createServer } from 'node:http'
import { type AcquireToken, type Cloud, createAcquireToken } from '#azure/identity'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { createHttpClient, createRetryingSend, type HttpClientOptions, type HttpSend, listen } from '#lib/http'
import { createForwardToImds } from '#product/imds'
import { proxyLimits } from './limits.ts'
import { type ProxyState, serveRequest } from './serve-request.ts'
import { createWorkloadTokens } from './workload-tokens.ts'

export interface ProxyConfig {
  /** On the loopback interface only, whatever the port: only the pod itself may ask. 0 takes a free one. */
  port: number
  tenantId: string
  /** For applications that name no client; empty for none. */
  clientId: string
  cloud: Cloud
  /** File with the pod's service account token. */
  tokenFile: string
  /** How long a token is used before a new one is fetched, in milliseconds. */
  holdMs: number
  requireMetadataHeader: boolean
  /** Origin of the real IMDS. */
  imdsEndpoint: string
  /** The way to Entra. */
  http: Pick<HttpClientOptions, 'proxyEnv' | 'ca' | 'extraCa'>
  /** Header `Server` of answers, and `User-Agent` towards Entra. */
  userAgent: string
}

export interface ProxyWorld {
  log: Log
  clock?: Clock | undefined
}

export interface RunningProxy extends Running {
  port: number
}

/** Listens where the init step redirects the pod's requests for IMDS to. Rejects, with nothing left running, when it cannot. */
export async function startProxy(config: ProxyConfig, { log, clock = systemClock }: ProxyWorld): Promise<RunningProxy> {
  const { tenantId, cloud, tokenFile, holdMs, userAgent } = config
  await using started = new AsyncDisposableStack()
  const toEntra = createHttpClient(config.http)
  started.defer(toEntra.stop)
  const acquire = acquireThrough(toEntra.send, userAgent, clock)
  const tokens = createWorkloadTokens({ acquire, tenantId, cloud, tokenFile, holdMs, clock, log })
  const proxy: ProxyState = {
    rules: { defaultClientId: config.clientId, requireMetadataHeader: config.requireMetadataHeader },
    token: tokens.get,
    forward: createForwardToImds({ endpoint: config.imdsEndpoint, loopAdvice, clock }),
    server: userAgent,
    clock,
    log,
  }
  const server = createServer(timeLimits, (request, response) => void serveRequest(proxy, request, response))
  // The redirection turns the address of IMDS into 127.0.0.1; `localhost` may be ::1 first.
  const options = { drainMs, maxConnections: proxyLimits.connections.value }
  const { port, stop } = await listen(server, { host: '127.0.0.1', port: config.port }, options)
  started.defer(stop)
  log.info({ port, tenantId, clientId: config.clientId }, 'listening')
  const running = started.move()
  return { port, stop: () => running.disposeAsync() }
}

const loopAdvice =
  "The proxy's own request came back to it: it has to run as the user whose requests proxy-init lets pass (1501)"

/** Clients wait for the answer, so we give up before they do. */
const exchange = { attempts: 3, deadlineMs: 15_000 }

function acquireThrough(send: HttpSend, userAgent: string, clock: Clock): AcquireToken {
  const retrying = createRetryingSend({
    ...exchange,
    clock,
    send: (request) => send({ ...request, headers: { ...request.headers, 'user-agent': userAgent } }),
  })
  // Workload identity only: no token ever comes from the node.
  return createAcquireToken({ send: retrying, sendOnNode: retrying, clock })
}

/** In milliseconds; that of headers is upstream's. */
const timeLimits = {
  headersTimeout: 5000,
  requestTimeout: proxyLimits.request.value,
  connectionsCheckingInterval: 1000,
}

/** How long requests that have begun may take when the proxy stops, in milliseconds. */
const drainMs = 5000

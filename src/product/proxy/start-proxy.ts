import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type AcquireToken, type Cloud, createAcquireToken } from '#azure/identity'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { createHttpClient, createRetryingSend, type HttpClientOptions, type HttpSend } from '#lib/http'
import { createForward } from './forward-to-imds.ts'
import { createServeRequest } from './serve-request.ts'
import { createWorkloadTokens } from './workload-tokens.ts'

export interface ProxyConfig {
  /** On the loopback interface only, whatever the port: nobody outside of the pod may ask. 0 takes a free one. */
  port: number
  tenantId: string
  /** Of applications that name no client; empty for none. */
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
  clock?: Clock
}

export interface RunningProxy extends Running {
  port: number
}

/** Upstream's bounds, in milliseconds. */
const headersTimeout = 5000
const drainMs = 5000

/** Listens where the init step redirects the pod's requests for IMDS to. */
export async function startProxy(config: ProxyConfig, { log, clock = systemClock }: ProxyWorld): Promise<RunningProxy> {
  const { tenantId, cloud, tokenFile, holdMs, userAgent } = config
  const out = createHttpClient(config.http)
  const acquire = acquireThrough(out.send, userAgent, clock)
  const tokens = createWorkloadTokens({ acquire, tenantId, cloud, tokenFile, holdMs, clock, log })
  const serveRequest = createServeRequest({
    rules: { defaultClientId: config.clientId, requireMetadataHeader: config.requireMetadataHeader },
    token: tokens.get,
    forward: createForward({ endpoint: config.imdsEndpoint }),
    server: userAgent,
    clock,
    log,
  })
  const server = createServer({ headersTimeout }, (request, response) => void serveRequest(request, response))

  try {
    await listen(server, config.port)
  } catch (error) {
    out.stop()
    throw error
  }
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      const cancel = clock.after(drainMs, () => server.closeAllConnections())
      await closed
      cancel()
      out.stop()
    },
  }
}

/** Clients wait for the answer, so patience has an end before theirs. */
const exchange = { attempts: 3, deadlineMs: 15_000 }

function acquireThrough(send: HttpSend, userAgent: string, clock: Clock): AcquireToken {
  const patient = createRetryingSend({
    ...exchange,
    clock,
    send: (request) => send({ ...request, headers: { ...request.headers, 'user-agent': userAgent } }),
  })
  // Workload identity only: nothing is ever asked of the node.
  return createAcquireToken({ send: patient, sendOnNode: patient, clock })
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // The redirection makes 127.0.0.1 of the address of IMDS; `localhost` may be ::1 first.
    server.listen({ port, host: '127.0.0.1' }, () => resolve())
  })
}

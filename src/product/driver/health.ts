import { credentials } from '@grpc/grpc-js'
import { IdentityClient } from '#kubernetes/csi'
import { type ProviderClient, providersIn } from '#kubernetes/provider-protocol'
import type { NodeSockets } from '#kubernetes/sockets'
import { type Clock, errorMessage, type Log, type Running, repeat } from '#lib'
import type { Endpoint } from '#lib/flags'
import type { StatusAnswer } from '#lib/http'
import type { Registration } from './registration.ts'

export interface HealthOptions {
  endpoint: Endpoint
  sockets: NodeSockets
  registration: Registration | undefined
  providers: ProviderClient
  providerDirectories: readonly string[]
  clock: Clock
}

/** Each is `ok`, or what is wrong. */
interface Health {
  csi: string
  registration: string
  providers: Record<string, string>
}

const probeTimeoutMs = 3000

/** kubelet asks a new socket within seconds; a driver that waits for this long is broken. */
const registrationGraceMs = 60_000

const ok = 'ok'

export interface HealthRoutes {
  /** Whether restarting the driver could help: its socket answers and kubelet has registered it. Providers are shown, and do not count. */
  live(): Promise<StatusAnswer>
  /** Whether a pod could get its secrets: as `live`, and every provider with a socket on this node answers, one at least. */
  ready(): Promise<StatusAnswer>
}

export function createHealth(options: HealthOptions): HealthRoutes & { stop(): void } {
  // Through the socket and not past it: a driver that no longer accepts connections must not look healthy.
  const { endpoint, sockets } = options
  const address = endpoint.kind === 'unix' ? sockets.address(endpoint.path) : endpoint.address
  const client = new IdentityClient(address, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  return {
    async live() {
      const health = await examine(options, client)
      return answer(health, isAlive(health))
    },
    async ready() {
      const health = await examine(options, client)
      const states = Object.values(health.providers)
      return answer(health, isAlive(health) && states.length > 0 && states.every((state) => state === ok))
    },
    stop: () => client.close(),
  }
}

async function examine(options: HealthOptions, client: IdentityClient): Promise<Health> {
  const { providers, providerDirectories: directories, sockets } = options
  const [csi, found] = await Promise.all([probe(client), askProviders({ providers, directories, sockets })])
  return { csi, registration: registrationHealth(options), providers: Object.fromEntries(found) }
}

function probe(client: IdentityClient): Promise<string> {
  return new Promise((resolve) => {
    const fails = (why: string) => resolve(`the CSI socket does not answer: ${why}`)
    client.waitForReady(Date.now() + probeTimeoutMs, (notReady) => {
      if (notReady !== undefined && notReady !== null) return fails(notReady.message)
      client.probe({}, (error, { ready } = { ready: undefined }) => {
        if (error !== null) fails(error.details)
        else resolve(ready?.value === true ? ok : 'not ready')
      })
    })
  })
}

function registrationHealth({ registration, clock }: HealthOptions): string {
  const state = registration?.state()
  if (state === undefined || state.kind === 'registered' || state.kind === 'elsewhere') return ok
  if (state.kind === 'refused') return `kubelet refused: ${state.reason}`
  const waitedMs = clock.elapsed() - state.since
  return waitedMs < registrationGraceMs ? ok : `kubelet has not asked for ${Math.round(waitedMs / 1000)} s`
}

function isAlive({ csi, registration }: Health): boolean {
  return csi === ok && registration === ok
}

function answer(health: Health, healthy: boolean): StatusAnswer {
  return {
    status: healthy ? 200 : 503,
    contentType: 'application/json',
    body: `${JSON.stringify(health)}\n`,
  }
}

interface AskOptions {
  providers: ProviderClient
  directories: readonly string[]
  sockets: NodeSockets
}

/** Asks every provider with a socket on this node for its version: `ok`, or what is wrong. */
async function askProviders({ providers, directories, sockets }: AskOptions): Promise<Map<string, string>> {
  const states = providersIn(directories, sockets).map(async (name): Promise<[string, string]> => {
    try {
      await providers.version(name, { timeoutMs: probeTimeoutMs })
      return [name, ok]
    } catch (error) {
      return [name, errorMessage(error)]
    }
  })
  return new Map(await Promise.all(states))
}

/** Logs which providers do not answer, every `intervalMs`. */
export function startProviderHealthCheck(
  options: AskOptions & { intervalMs: number; clock: Clock; log: Log },
): Running {
  const { intervalMs, clock, log } = options
  return repeat(
    async () => {
      for (const [provider, state] of await askProviders(options)) {
        if (state === ok) log.debug({ provider }, 'the provider answers')
        else log.warn({ provider }, `the provider does not answer: ${state}`)
      }
      return intervalMs
    },
    { clock, firstMs: intervalMs },
  )
}

import type { HttpClient, HttpRequest, HttpResponse } from '#lib/http'
import type { FleetTime } from './fleet-time.ts'
import { createLimit, createLoadCounter, type LoadCounter } from './load-counter.ts'

/**
 * Entra and the vaults for thousands of nodes. The answers are the local Azure's: each different request goes there once, and equal ones of
 * other nodes get the same answer, because only their number matters. Requests are counted, and throttled as Key Vault documents it;
 * Entra publishes no limit, so the one for it is an assumption.
 */
export interface FleetAzure {
  client: HttpClient
  reads: LoadCounter
  signIns: LoadCounter
  readsRefused: LoadCounter
  signInsRefused: LoadCounter
  /** Something has changed: each request goes to the local Azure again. */
  forget(): void
}

export interface FleetAzureOptions {
  time: FleetTime
  /** To the local Azure. */
  client: HttpClient
  /** Requests in ten seconds. */
  vaultLimit: number
  entraLimit: number
  latencyMs: number
}

export function createFleetAzure({ time, client, vaultLimit, entraLimit, latencyMs }: FleetAzureOptions): FleetAzure {
  const { clock } = time
  const known = new Map<string, Promise<HttpResponse>>()
  const counters = () => ({ count: createLoadCounter(clock), refused: createLoadCounter(clock) })
  const vault = { ...counters(), limit: createLimit(clock, vaultLimit) }
  const entra = { ...counters(), limit: createLimit(clock, entraLimit) }
  const answer = (request: HttpRequest): Promise<HttpResponse> => {
    const key = [request.method, request.url.href, request.headers?.authorization, request.body].join('\n')
    const found = known.get(key)
    if (found !== undefined) return found
    // A signal of one caller would end it for all.
    const asked = time.outside(() => client.send({ ...request, signal: undefined }))
    known.set(key, asked)
    asked.catch(() => known.delete(key))
    return asked
  }
  const isSignIn = ({ method, url }: HttpRequest) => method === 'POST' && url.pathname.endsWith('/token')
  return {
    reads: vault.count,
    signIns: entra.count,
    readsRefused: vault.refused,
    signInsRefused: entra.refused,
    forget: () => known.clear(),
    client: {
      ...client,
      prepare: () => {},
      stop: () => {},
      async send(request) {
        const { hostname } = request.url
        const of = hostname.endsWith('.vault.azure.net') ? vault : isSignIn(request) ? entra : undefined
        of?.count.add()
        const wait = of?.limit.take()
        await new Promise<void>((resolve) => clock.after(latencyMs, resolve))
        if (of === undefined || wait === undefined) return answer(request)
        of.refused.add()
        return {
          status: 429,
          headers: { 'retry-after': String(wait) },
          body: Buffer.from('{}'),
        } as unknown as HttpResponse
      },
    },
  }
}

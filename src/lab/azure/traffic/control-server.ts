import { createAdaptorServer } from '@hono/node-server'
import { Hono } from 'hono'
import { z } from 'zod'
import type { Running } from '#lib'
import { listen } from '#lib/http'
import type { BindingTokens } from '../entra/binding-tokens.ts'
import type { EventFeed } from '../events/event-feed.ts'
import type { DeliverySettings, EventGrid } from '../events/event-grid.ts'
import { knownGaps } from '../http/known-gaps.ts'
import type { Fault, Traffic } from './traffic.ts'

const delayBody = z.strictObject({ ms: z.number().min(0).max(600_000) })

const gaps = Object.values(knownGaps).flatMap((rows) => rows.map(({ operation }) => operation))

/** Duration of a fault. Default: until it is deleted. */
const forSeconds = z.number().min(0.001).max(86_400).optional()

const faultBody = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('unreachable'), forSeconds }),
  z.strictObject({
    kind: z.literal('throttle'),
    retryAfterSeconds: z.number().int().min(0).max(3600).default(1),
    forSeconds,
  }),
  z.strictObject({ kind: z.literal('error'), status: z.number().int().min(400).max(599).default(500), forSeconds }),
]) satisfies z.ZodType<Fault>

const share = z.number().min(0).max(1).default(0)

/** What is left out has its default. */
const eventGridBody = z.strictObject({
  delayMs: z.number().min(0).max(600_000).optional(),
  duplicate: share,
  drop: share,
}) satisfies z.ZodType<DeliverySettings>

const bindingTokenBody = z.strictObject({ issuer: z.string(), form: z.string().max(65_536) })

const eventsQuery = z.strictObject({
  after: z.string().optional(),
  waitSeconds: z.coerce.number().min(0).max(300).default(0),
})

export interface ControlServerOptions {
  /** Path of the Unix socket. */
  path: string
  traffic: Traffic
  /** Whether the local Azure serves this host; a fault of any other host is a mistake. */
  isServed: (host: string) => boolean
  /** Names of the implemented operations. */
  operations: () => readonly string[]
  /** Names of the vaults. */
  vaults: () => readonly string[]
  /** Events of the vaults. */
  feed: EventFeed
  /** Tokens for the token proxies of clusters; undefined until the services have started. */
  bindingTokens: () => BindingTokens | undefined
  /** Deliveries to event subscriptions; undefined until the services have started. */
  eventGrid: () => EventGrid | undefined
}

/** Plain HTTP on a Unix socket, for the owner of the state directory: delays, faults, counters, vaults and events. */
export async function startControlServer(options: ControlServerOptions): Promise<Running> {
  const { path, traffic, isServed, operations, vaults, feed, eventGrid, bindingTokens } = options
  const stopping = new AbortController()
  const app = new Hono()
  app.get('/delay', (c) => c.json({ ms: traffic.delayMs }))
  app.put('/delay', async (c) => {
    const body = delayBody.safeParse(await readJson(c.req.raw))
    if (!body.success) return c.json({ error: z.prettifyError(body.error) }, 400)
    traffic.delayMs = body.data.ms
    return c.json(body.data)
  })
  app.get('/faults', (c) => c.json(traffic.faults()))
  app.put('/faults/:host', async (c) => {
    const host = c.req.param('host').toLowerCase()
    if (!isServed(host)) return c.json(notServed(host), 400)
    const body = faultBody.safeParse(await readJson(c.req.raw))
    if (!body.success) return c.json({ error: z.prettifyError(body.error) }, 400)
    const { forSeconds: seconds, ...fault } = body.data
    traffic.setFault(host, fault, seconds === undefined ? undefined : seconds * 1000)
    return c.json(body.data)
  })
  app.delete('/faults/:host', (c) => {
    const host = c.req.param('host').toLowerCase()
    if (!isServed(host)) return c.json(notServed(host), 400)
    traffic.setFault(host, undefined)
    return c.body(null, 204)
  })
  app.get('/vaults', (c) => c.json({ vaults: vaults() }))
  app.get('/events', async (c) => {
    const query = eventsQuery.safeParse(c.req.query())
    if (!query.success) return c.json({ error: z.prettifyError(query.error) }, 400)
    const { after, waitSeconds } = query.data
    const signal = AbortSignal.any([c.req.raw.signal, stopping.signal, AbortSignal.timeout(waitSeconds * 1000)])
    return c.json(await feed.wait(after, signal))
  })
  app.get('/event-grid', (c) => c.json({ ...eventGrid()?.settings, ...eventGrid()?.counts() }))
  app.put('/event-grid', async (c) => {
    const body = eventGridBody.safeParse(await readJson(c.req.raw))
    if (!body.success) return c.json({ error: z.prettifyError(body.error) }, 400)
    const grid = eventGrid()
    if (grid === undefined) return c.json({ error: 'the local Azure is starting' }, 503)
    grid.settings = body.data
    return c.json(body.data)
  })
  app.post('/identity-bindings/token', async (c) => {
    const body = bindingTokenBody.safeParse(await readJson(c.req.raw))
    if (!body.success) return c.json({ error: z.prettifyError(body.error) }, 400)
    const tokens = bindingTokens()
    if (tokens === undefined) return c.json({ error: 'the local Azure is starting' }, 503)
    return c.json(await tokens(body.data))
  })
  app.get('/operations', (c) => c.json({ operations: operations(), notImplemented: gaps }))
  app.get('/requests', (c) => c.json({ counts: traffic.counts() }))
  app.delete('/requests', (c) => {
    traffic.resetCounts()
    return c.body(null, 204)
  })
  app.notFound((c) =>
    c.json(
      {
        error: `${c.req.method} ${c.req.path} is unknown; expected /delay, /faults/HOST, /requests, /events, /event-grid, /vaults, /identity-bindings/token or /operations`,
      },
      404,
    ),
  )

  const server = createAdaptorServer({ fetch: app.fetch })
  const listening = await listen(server, { path })
  return {
    stop() {
      stopping.abort()
      return listening.stop()
    },
  }
}

function notServed(host: string): { error: string } {
  return { error: `the local Azure does not serve ${host}; expected a host such as shop.vault.azure.net` }
}

/** The body; undefined, which no schema accepts, when it is not JSON. */
async function readJson(request: Request): Promise<unknown> {
  try {
    return await request.json()
  } catch {
    return undefined
  }
}

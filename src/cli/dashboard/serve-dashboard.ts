import { getRequestListener } from '@hono/node-server'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { isObjectName } from '#kubernetes/client'
import { errorMessage, type Running } from '#lib'
import { recordOf, stringOf } from '#lib/formats'
import { type Listening, listenHttp } from '#lib/http'
import { CliError } from '#terminal'
import { cleanText } from '../status/clean-text.ts'
import type { ViewName } from '../status/rows.ts'
import { viewNames } from '../status/views.ts'
import type { DoctorAnswer, RotationAnswer } from './actions.ts'
import { guard } from './guard.ts'
import type { NodeRates } from './node-metrics.ts'
import { type PageFile, readPageFiles } from './page-files.ts'
import type { Rights } from './rights.ts'
import { createSessions } from './sessions.ts'
import { type StreamSource, streamRows } from './stream-rows.ts'

/** What the page may ask for; nothing here reads a volume or the data of a Secret. */
export interface DashboardWorld {
  stream: StreamSource
  info: { server: string; namespace: string | null; isReadOnly: boolean; hasAzure: boolean; version: string }
  rights(namespace: string): Promise<Rights>
  rotate(ref: { namespace: string; name: string }, signal: AbortSignal): Promise<RotationAnswer>
  doctor(asked: { target: string; namespace: string }, signal: AbortSignal): Promise<DoctorAnswer>
  rates(node: string, signal: AbortSignal): Promise<NodeRates | { why: string }>
}

export interface Dashboard extends Running {
  /** With the token, for the browser of the user. */
  url: string
}

/** Browsers and their tabs; each has a stream and few requests. */
const maxConnections = 64
const maxBodyBytes = 4096

/** Serves the dashboard on loopback until it is stopped. Rejects with `ListenError`. */
export async function serveDashboard(world: DashboardWorld, port: number): Promise<Dashboard> {
  let listening: Listening | undefined
  const portNow = () => listening?.port ?? 0
  const stopping = new AbortController()
  const sessions = createSessions(portNow)
  const app = new Hono()
  app.use(guard(portNow))
  app.use(
    bodyLimit({ maxSize: maxBodyBytes, onError: (context) => context.json({ error: 'the body is too large' }, 413) }),
  )
  servePage(app, await readPageFiles())
  app.post('/api/session', async (context) => {
    const key = sessions.open(context, stringOf((await bodyOf(context)).token) ?? '')
    return key === undefined
      ? context.json({ error: 'the token is not that of this dashboard' }, 401)
      : context.json({ key })
  })
  app.use('/api/*', sessions.required)
  serveData(app, world, stopping.signal)
  if (!world.info.isReadOnly) serveActions(app, world)
  app.notFound((context) => context.json({ error: 'not found' }, 404))
  app.onError((error, context) => context.json({ error: cleanText(textOf(error)) }, 502))
  const listener = getRequestListener(app.fetch)
  listening = await listenHttp({ host: '127.0.0.1', port }, (request, response) => void listener(request, response), {
    maxConnections,
  })
  return {
    url: `http://127.0.0.1:${listening.port}/#token=${sessions.token}`,
    async stop() {
      stopping.abort(new Error('stopped'))
      await listening?.stop()
    },
  }
}

function servePage(app: Hono, files: ReadonlyMap<string, PageFile>): void {
  const page = files.get('/app/dashboard/page/index.html')
  for (const path of ['/', ...viewNames.map((name) => `/${name}`)]) {
    app.get(path, (context) => context.body(page?.body ?? '', 200, { 'content-type': page?.type ?? '' }))
  }
  for (const [path, { body, type }] of files) {
    app.get(path, (context) => context.body(body, 200, { 'content-type': type }))
  }
}

function serveData(app: Hono, world: DashboardWorld, stopping: AbortSignal): void {
  app.get('/api/info', (context) => context.json(world.info))
  app.get('/api/rows/:view', (context) => {
    const view = context.req.param('view') as ViewName
    if (!viewNames.includes(view)) return context.json({ error: 'there is no such view' }, 404)
    const signal = AbortSignal.any([stopping, context.req.raw.signal])
    const lines = streamRows(view, world.stream, signal)
    const encoder = new TextEncoder()
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        const next = await lines.next().catch(() => ({ done: true, value: undefined }))
        if (next.done === true || next.value === undefined) controller.close()
        else controller.enqueue(encoder.encode(next.value))
      },
      async cancel() {
        await lines.return(undefined)
      },
    })
    return context.body(body, 200, { 'content-type': 'application/x-ndjson; charset=utf-8' })
  })
  app.get('/api/rights', async (context) => {
    if (world.info.isReadOnly) return context.json({ rotate: false, doctor: false })
    return context.json(await world.rights(nameOf(context.req.query('namespace'))))
  })
  app.get('/api/rates', async (context) =>
    context.json(await world.rates(nameOf(context.req.query('node')), context.req.raw.signal)),
  )
}

function serveActions(app: Hono, world: DashboardWorld): void {
  app.post('/api/rotate', async (context) => {
    const { namespace, name } = await bodyOf(context)
    const ref = { namespace: nameOf(namespace), name: nameOf(name) }
    return context.json(await world.rotate(ref, context.req.raw.signal))
  })
  app.post('/api/doctor', async (context) => {
    const { namespace, target } = await bodyOf(context)
    const [kind = '', name] = (stringOf(target) ?? '').split('/')
    if (!['pod', 'class', 'node', 'secretsync'].includes(kind))
      throw new Error('expected pod/NAME, class/NAME, node/NAME or secretsync/NAME')
    const asked = { target: `${kind}/${nameOf(name)}`, namespace: namespace === '' ? '' : nameOf(namespace) }
    return context.json(await world.doctor(asked, context.req.raw.signal))
  })
}

async function bodyOf(context: Context): Promise<Record<string, unknown>> {
  return recordOf(await context.req.json().catch(() => undefined)) ?? {}
}

/** A name that goes into a path of the API server. */
function nameOf(value: unknown): string {
  const name = stringOf(value) ?? ''
  if (!isObjectName(name)) throw new Error('expected the name of an object')
  return name
}

function textOf(error: unknown): string {
  return error instanceof CliError ? error.message : errorMessage(error)
}

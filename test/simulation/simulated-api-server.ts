import { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { createKubeClient, type KubeClient, type Transport, type TransportRequest } from '#kubernetes/client'
import { silentLog } from '#lib'
import { seed } from '../../src/lab/cluster/api-server/access/seed.ts'
import { createAdmission } from '../../src/lab/cluster/api-server/admission/admission.ts'
import type { ApiContext } from '../../src/lab/cluster/api-server/http/api-call.ts'
import { handleRequest } from '../../src/lab/cluster/api-server/http/router.ts'
import { createCatalog } from '../../src/lab/cluster/api-server/kinds/catalog.ts'
import { createObjects } from '../../src/lab/cluster/api-server/objects/objects.ts'
import { openStore, type Store } from '../../src/lab/cluster/api-server/objects/store.ts'
import { garbageCollector } from '../../src/lab/cluster/controllers/garbage-collector.ts'
import { createDefinitions } from '../support/custom-resources.ts'
import { epoch, type World } from './world.ts'

/** What comes out of the server for one request, piece by piece. */
export interface Answer {
  onHead(status: number, headers: Record<string, string>): void
  onChunk(chunk: Buffer): void
  /** @param complete false when the connection broke off. */
  onEnd(complete: boolean): void
}

/** The local cluster's API server, without sockets: what a request does is done before anything else happens. */
export interface SimulatedApiServer {
  readonly store: Store
  /** Begins to serve a request; the returned function is what a client that goes away does. */
  serve(request: TransportRequest, answer: Answer): () => void
  /** For the world itself: at once, and never with a fault. */
  readonly admin: KubeClient
}

export const serverUrl = 'https://api.simulation'

export interface ApiServerOptions {
  /** Whether an object that is written with an owner that is gone is collected too, as in a cluster. */
  collectsOrphans?: boolean
}

export async function startApiServer(
  world: World,
  directory: string,
  { collectsOrphans = false }: ApiServerOptions = {},
): Promise<SimulatedApiServer> {
  const store = openStore({ file: join(directory, 'objects.jsonl') })
  const { time } = world
  const clock = { now: () => epoch + time.now, elapsed: () => time.now, after: time.after }
  const objects = createObjects({ store, clock })
  seed(store, objects)
  const catalog = createCatalog(store)
  const context: ApiContext = {
    bodies: { inFlight: 0 },
    store,
    objects,
    clock,
    log: silentLog,
    tokens: {
      issuer: serverUrl,
      verify: async () => ({ name: 'simulation', groups: ['system:masters', 'system:authenticated'] }),
      issue: async ({ namespace, serviceAccount }, _audiences, seconds) => ({
        token: `token-of-account:${namespace}/${serviceAccount.name}:${Math.round(time.now)}`,
        expirationTimestamp: new Date(clock.now() + seconds * 1000).toISOString(),
      }),
      discovery: () => ({}),
      jwks: async () => ({}),
    },
    admission: createAdmission({ store, catalog, log: silentLog }),
    catalog,
    runtime: () => undefined,
    signal: new AbortController().signal,
  }
  collectGarbage(world, context, collectsOrphans)
  const serve = (request: TransportRequest, answer: Answer) => serveRequest(context, request, answer)
  const admin = createKubeClient(
    { server: serverUrl, namespace: 'default' },
    { clock, transport: directTransport(serve) },
  )
  await createDefinitions(admin)
  return { store, serve, admin }
}

/** Some time after a deletion, or after a write of an object with an owner, as in a cluster. */
function collectGarbage(world: World, context: ApiContext, collectsOrphans: boolean): void {
  let scheduled = false
  const creations = { delayMs: () => 0 } as never
  context.store.follow(context.store.revision, ({ type, object }) => {
    const isOrphan = collectsOrphans && (object.metadata.ownerReferences?.length ?? 0) > 0
    if ((type !== 'DELETED' && !isOrphan) || scheduled) return
    scheduled = true
    world.time.after(world.random.between(100, 5000), () => {
      scheduled = false
      garbageCollector.reconcile({ ...context, creations })
    })
  })
}

function serveRequest(context: ApiContext, request: TransportRequest, answer: Answer): () => void {
  const { method, path, headers = {}, body } = request
  const incoming = {
    method,
    url: path,
    headers: { ...headers, authorization: 'Bearer simulation' },
    socket: {},
    async *[Symbol.asyncIterator]() {
      if (body !== undefined) yield Buffer.from(body)
    },
  } as unknown as IncomingMessage
  const response = new SimulatedResponse(answer, context.clock.now())
  void handleRequest(context, incoming, response as unknown as ServerResponse)
  return () => response.destroy()
}

/** As much of a ServerResponse as the API server uses. */
class SimulatedResponse extends EventEmitter {
  statusCode = 200
  headersSent = false
  destroyed = false
  readonly writableLength = 0
  readonly #answer: Answer
  readonly #date: string

  constructor(answer: Answer, now: number) {
    super()
    this.#answer = answer
    this.#date = new Date(now).toUTCString()
  }

  writeHead(status: number, headers: Record<string, unknown> = {}): this {
    this.statusCode = status
    this.headersSent = true
    const texts = Object.entries(headers).map(([name, value]) => [name, String(value)])
    this.#answer.onHead(status, { date: this.#date, ...Object.fromEntries(texts) })
    return this
  }

  flushHeaders(): void {}

  appendHeader(): void {}

  write(chunk: string | Buffer): boolean {
    if (!this.destroyed) this.#answer.onChunk(Buffer.from(chunk))
    return true
  }

  end(chunk?: string | Buffer): void {
    if (this.destroyed) return
    if (chunk !== undefined) this.write(chunk)
    this.destroyed = true
    this.#answer.onEnd(true)
    this.emit('close')
  }

  destroy(): void {
    if (this.destroyed) return
    this.destroyed = true
    this.#answer.onEnd(false)
    this.emit('close')
  }
}

function directTransport(serve: SimulatedApiServer['serve']): Transport {
  return {
    send: (request) =>
      new Promise((resolve, reject) => {
        const chunks: Buffer[] = []
        let head = { status: 0, headers: {} }
        serve(request, {
          onHead: (status, headers) => {
            head = { status, headers }
          },
          onChunk: (chunk) => void chunks.push(chunk),
          onEnd: (complete) =>
            complete
              ? resolve({ ...head, body: Buffer.concat(chunks).toString('utf8') })
              : reject(new Error('cut off')),
        })
      }),
    stream: () => Promise.reject(new Error('the world does not watch')),
    close: () => undefined,
  }
}

import {
  KubeError,
  type Transport,
  type TransportRequest,
  type TransportResponse,
  type TransportStream,
} from '#kubernetes/client'
import { completeOnce, type Done } from './complete-once.ts'
import type { SimulatedApiServer } from './simulated-api-server.ts'
import type { SimulatedProcess } from './simulated-process.ts'
import type { World } from './world.ts'

/** The way between one process and the API server. */
export interface Network {
  transport: Transport
  /** Nothing passes for a while, in either direction. */
  partition(ms: number): void
}

/** What happens to one request. */
type Fate =
  | 'answered'
  /** It never arrives: the client's time runs out. */
  | 'lost'
  /** It is processed, and its answer never arrives. */
  | 'answer lost'
  /** The connection breaks before it, or after it was processed. */
  | 'refused'
  | 'broken off'
  /** The server turns it away. */
  | 429
  | 500
  | 503

interface Link {
  world: World
  server: SimulatedApiServer
  process: SimulatedProcess
  partitionedUntil: number
}

export function connectToApiServer(world: World, server: SimulatedApiServer, process: SimulatedProcess): Network {
  const link: Link = { world, server, process, partitionedUntil: 0 }
  return {
    transport: {
      send: (request) => send(link, request),
      stream: (request) => stream(link, request),
      close: () => undefined,
    },
    partition(ms) {
      link.partitionedUntil = Math.max(link.partitionedUntil, world.time.now + ms)
      world.note(`${process.name} is cut off from the API server for ${Math.round(ms)} ms`)
    },
  }
}

function fateOf({ world, partitionedUntil }: Link): Fate {
  const { random, time, stormy } = world
  if (time.now < partitionedUntil) return random.chance(0.5) ? 'lost' : 'refused'
  if (!stormy || !random.chance(0.12)) return 'answered'
  const fate = random.pick<Fate>(['lost', 'answer lost', 'refused', 'broken off', 'broken off', 429, 429, 500, 503])
  world.count(`request ${fate}`)
  return fate
}

/** Mostly milliseconds, sometimes seconds. */
function latency({ world: { random, stormy } }: Link): number {
  return stormy && random.chance(0.03) ? random.between(100, 8000) : random.between(0.5, 10)
}

const unreachable = (why: string) => new KubeError(`the API server is unreachable: ${why}`, { status: 0 })

function refusalOf({ world: { random } }: Link, status: 429 | 500 | 503): TransportResponse {
  const body = { kind: 'Status', status: 'Failure', code: status, reason: 'Simulated', message: `simulated ${status}` }
  const headers: Record<string, string> =
    status !== 500 && random.chance(0.7) ? { 'retry-after': String(random.int(4)) } : {}
  return { status, headers, body: JSON.stringify(body) }
}

/** What reaches the process does so through {@link SimulatedProcess.deliver}. */
function pending<T>(link: Link, request: TransportRequest, begin: (done: Done<T>) => void): Promise<T> {
  const { world, process } = link
  const { signal, timeoutMs = 30_000 } = request
  const late = () => unreachable(`no complete answer within ${timeoutMs / 1000} s`)
  return completeOnce<T>({ world, process, signal, timeoutMs, late }, ({ resolve, reject }) =>
    begin({
      resolve: (value) => process.deliver(() => resolve(value)),
      reject: (error) => process.deliver(() => reject(error)),
    }),
  )
}

function send(link: Link, request: TransportRequest): Promise<TransportResponse> {
  const { world, server } = link
  const { time } = world
  const fate = fateOf(link)
  const line = `${link.process.name} ${request.method} ${request.path.split('?')[0]}`
  return pending(link, request, (done) => {
    if (fate === 'lost') return world.note(`${line}: lost`)
    if (fate === 'refused') return void time.after(latency(link), () => done.reject(unreachable('connection refused')))
    if (typeof fate === 'number') return void time.after(latency(link), () => done.resolve(refusalOf(link, fate)))
    time.after(latency(link), () => {
      const chunks: Buffer[] = []
      let head = { status: 0, headers: {} as Record<string, string> }
      server.serve(request, {
        onHead(status, headers) {
          head = { status, headers }
          world.note(`${line}: ${status}${fate === 'answered' ? '' : ` (${fate})`}`)
        },
        onChunk: (chunk) => void chunks.push(chunk),
        onEnd() {
          if (fate === 'answer lost') return
          const body = Buffer.concat(chunks).toString('utf8')
          const arrive = () =>
            fate === 'broken off' ? done.reject(unreachable('connection reset')) : done.resolve({ ...head, body })
          time.after(latency(link), arrive)
        },
      })
    })
  })
}

function stream(link: Link, request: TransportRequest & { streamMs: number }): Promise<TransportStream> {
  const { world, server, process } = link
  const { time, random } = world
  const fate = fateOf(link)
  return pending(link, request, (done) => {
    if (fate === 'lost' || fate === 'answer lost') return
    if (fate === 'refused' || fate === 'broken off') {
      return void time.after(latency(link), () => done.reject(unreachable('connection refused')))
    }
    if (typeof fate === 'number') {
      const { body, ...head } = refusalOf(link, fate)
      return void time.after(latency(link), () => done.resolve({ ...head, body: chunksOf(Buffer.from(body)) }))
    }
    time.after(latency(link), () => {
      const flow = createFlow(link, request)
      process.onKill(flow.leave)
      const leave = server.serve(request, {
        onHead: (status, headers) => done.resolve({ status, headers, body: flow.body() }),
        onChunk: flow.push,
        onEnd: flow.end,
      })
      flow.onLeave(leave)
      if (world.stormy && random.chance(0.3)) {
        // Silent connections give no sign of their end.
        const silent = random.chance(0.4)
        time.after(random.between(1000, 120_000), () =>
          silent ? flow.silence() : flow.cut(unreachable('connection reset')),
        )
      }
    })
  })
}

async function* chunksOf(chunk: Buffer): AsyncGenerator<Uint8Array> {
  yield chunk
}

interface Flow {
  push(chunk: Buffer): void
  end(complete: boolean): void
  /** The connection breaks: the reader notices at once. */
  cut(error: unknown): void
  /** The connection is dead: the reader notices when its time is over. */
  silence(): void
  leave(): void
  onLeave(leave: () => void): void
  body(): AsyncGenerator<Uint8Array>
}

type Item = { chunk: Buffer } | { error: unknown } | 'end'

/** The lines of a watch on their way: in their order, with delays, some of them twice. */
function createFlow(link: Link, { signal, streamMs }: TransportRequest & { streamMs: number }): Flow {
  const { world, process } = link
  const { time, random } = world
  const arrived: Item[] = []
  let wake = () => {}
  let lastArrival = 0
  let dead = false
  let leaveServer = () => {}
  const arrive = (item: Item) => {
    if (dead) return
    arrived.push(item)
    wake()
  }
  const later = (item: Item) => {
    const lag = world.stormy && random.chance(0.05) ? random.between(100, 10_000) : random.between(0.5, 10)
    lastArrival = Math.max(lastArrival, time.now + lag)
    time.after(lastArrival - time.now, () => process.deliver(() => arrive(item)))
  }
  const leave = () => {
    dead = true
    leaveServer()
  }
  const fail = (error: unknown) => {
    arrive({ error })
    leave()
  }
  time.after(streamMs, () => process.deliver(() => fail(unreachable('the stream was not ended in time'))))
  signal?.addEventListener('abort', () => fail(signal.reason), { once: true })
  return {
    push(chunk) {
      if (time.now < link.partitionedUntil) return process.deliver(() => fail(unreachable('connection lost')))
      later({ chunk })
      if (world.stormy && random.chance(0.02)) later({ chunk })
    },
    end: (complete) => (complete ? later('end') : undefined),
    cut: (error) => process.deliver(() => fail(error)),
    silence() {
      world.count('silent watch')
      leave()
      dead = false
      leaveServer = () => {}
    },
    leave,
    onLeave(run) {
      leaveServer = run
    },
    async *body() {
      try {
        for (;;) {
          const item = arrived.shift()
          if (item === 'end') return
          if (item === undefined) {
            await new Promise<void>((resolve) => {
              wake = resolve
            })
          } else if ('error' in item) throw item.error
          else yield item.chunk
        }
      } finally {
        leave()
      }
    },
  }
}

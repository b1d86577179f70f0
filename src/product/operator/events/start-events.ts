import { setImmediate } from 'node:timers/promises'
import {
  classAnnotations,
  createEventRecorder,
  type EventRecorder,
  type KubeClient,
  KubeError,
  type ObjectReference,
  printClassChange,
  resources,
} from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, sleep, systemClock } from '#lib'
import { createBackoff, endsWithin } from '#lib/async'
import type { TaskRunner } from '#lib/worker'
import {
  accept,
  annotationOf,
  type Backlog,
  changeFailed,
  changeWritten,
  createBacklog,
  dueClasses,
  nextDueAt,
  type PendingChange,
  takePending,
} from './backlog.ts'
import { createClassIndex, namespaceOf } from './class-index.ts'
import { type ClassWatch, watchClasses } from './class-watch.ts'
import { type Confirming, type QuietPolling, startConfirming } from './confirm-events.ts'
import { eventsLimits } from './events-limits.ts'
import type { EventsMetrics } from './events-metrics.ts'
import type { Spread } from './spread-seconds.ts'
import type { EventSource, VaultEvent } from './vault-event.ts'

export interface EventsWorld {
  kube: KubeClient
  metrics: EventsMetrics
  log: Log
  sources: readonly EventSource[]
  /** Where classes are parsed. */
  tasks: TaskRunner
  /** Empty: all. */
  namespaces: readonly string[]
  /** Events about the sources are recorded about it. */
  pod: ObjectReference
  /** Over how many seconds drivers spread their reads of a class. Default: none. */
  spreadOf?: ((namespace: string, className: string, objects: number) => Spread) | undefined
  /** Undefined: drivers poll at their own intervals. */
  quiet?: QuietPolling | undefined
  clock?: Clock | undefined
}

interface Events {
  world: EventsWorld
  clock: Clock
  recorder: EventRecorder
  backlog: Backlog
  index: ReturnType<typeof createClassIndex>
  classes: ClassWatch
  sourceOf: WeakMap<VaultEvent, EventSource>
  /** Writes that are under way. */
  writes: Set<Promise<void>>
  /** Classes that could not be annotated, and were given up. */
  refused: Set<string>
  confirming: Confirming | undefined
  /** Resolves when there may be something to write, or room for more events. */
  wake: PromiseWithResolvers<void>
  signal: AbortSignal
}

/** Classes annotated at once, and the shortest time between two: what one event may cost the API server. */
const writesAtOnce = 20
const betweenWritesMs = 10

/** What the leader does: annotates the classes whose objects have changed in their vaults. `stop` ends all work at once. */
export function startEvents(world: EventsWorld): Running {
  const { kube, metrics, log, tasks, namespaces, sources, clock = systemClock } = world
  const stopping = new AbortController()
  const index = createClassIndex()
  const events: Events = {
    world,
    clock,
    recorder: createEventRecorder({ client: kube, log, component: 'keymount-operator', clock }),
    backlog: createBacklog(),
    index,
    classes: watchClasses({ kube, clock, log, tasks, index, namespaces }),
    sourceOf: new WeakMap(),
    writes: new Set(),
    refused: new Set(),
    confirming: undefined,
    wake: Promise.withResolvers(),
    signal: stopping.signal,
  }
  metrics.state(() => ({ held: events.backlog.open.size, classes: index.size }))
  const work = events.classes.ready.then(() => {
    if (stopping.signal.aborted) return undefined
    events.confirming = confirmingOf(events)
    return Promise.all([writeAll(events), ...sources.map((source) => receiveAll(events, source))])
  })
  const ended = work.catch((error: unknown) => {
    if (!stopping.signal.aborted) log.error({ err: error }, `events end: ${errorMessage(error)}`)
  })
  return {
    async stop() {
      stopping.abort(new Error('the operator stops'))
      wake(events)
      await events.classes.stop()
      await ended
      await events.confirming?.stop()
      await Promise.all(events.writes)
    },
  }
}

function confirmingOf({ world, classes, refused, backlog, clock }: Events): Confirming | undefined {
  const { kube, metrics, log, sources, namespaces, quiet } = world
  if (quiet === undefined) return undefined
  return startConfirming({
    ...quiet,
    ...{ kube, sources, namespaces, clock, log },
    unmatched: () => [...classes.unmatched, ...[...refused].filter(classes.has)].map(namespaceOf),
    waiting: () => waitingIn(backlog),
    onConfirmed: metrics.confirmed,
  })
}

function* waitingIn({ open }: Backlog): Generator<readonly [string, Iterable<string>]> {
  for (const [id, { classes }] of open) yield [id, classes]
}

function wake(events: Events): void {
  events.wake.resolve()
  events.wake = Promise.withResolvers()
}

/** Takes events in for as long as the operator leads. A source that does not answer is asked again, later each time. */
async function receiveAll(events: Events, source: EventSource): Promise<void> {
  const { signal, clock, backlog } = events
  const backoff = createBackoff({ initialMs: 1000, maxMs: 60_000 })
  let up: boolean | undefined
  while (!signal.aborted) {
    try {
      while (isFull(backlog) && !signal.aborted) await events.wake.promise
      const received = await source.next(signal)
      if (up !== true) await reportUp(events, source, up)
      up = true
      backoff.reset()
      await take(events, source, received)
      events.confirming?.answered(source)
    } catch (error) {
      if (signal.aborted) return
      await reportDown(events, source, error)
      up = false
      await sleep(backoff.next(), { clock, signal }).catch(() => undefined)
    }
  }
}

async function take(events: Events, source: EventSource, received: readonly VaultEvent[]): Promise<void> {
  const { world, backlog, index, classes, clock, sourceOf } = events
  const given: VaultEvent[] = []
  for (const event of received) {
    while (isFull(backlog) && !events.signal.aborted) await events.wake.promise
    if (events.signal.aborted) return
    const now = clock.now()
    sourceOf.set(event, source)
    world.metrics.received(event.kind, now / 1000)
    const { finished, ignored } = accept(backlog, [event], { index, changeOf: classes.changeOf, now })
    for (const why of ignored) world.metrics.ignored(why)
    given.push(...finished)
    wake(events)
    // An event may concern every class of the cluster: others have their turn after each.
    await setImmediate()
  }
  await giveBack(events, given)
}

function isFull({ open, pairs }: Backlog): boolean {
  return open.size >= eventsLimits.heldEvents.value || pairs >= eventsLimits.heldPairs.value
}

/** An event that its source could not take back comes again, and is then a duplicate. */
async function giveBack({ sourceOf, signal, world }: Events, finished: readonly VaultEvent[]): Promise<void> {
  for (const [source, of] of Map.groupBy(finished, (event) => sourceOf.get(event)))
    try {
      await source?.done(of, signal)
    } catch (error) {
      if (!signal.aborted) world.log.warn({ err: error }, `events come again: ${errorMessage(error)}`)
    }
}

async function writeAll(events: Events): Promise<void> {
  const { backlog, clock, signal, writes } = events
  while (!signal.aborted) {
    const free = writesAtOnce - writes.size
    const keys = free > 0 ? dueClasses(backlog, clock.elapsed(), free) : []
    if (keys.length === 0) await untilDue(events)
    for (const key of keys) {
      const write = writeChange(events, takePending(backlog, key)).finally(() => {
        writes.delete(write)
        wake(events)
      })
      writes.add(write)
      await sleep(betweenWritesMs, { clock, signal }).catch(() => undefined)
      if (signal.aborted) return
    }
  }
}

async function untilDue({ backlog, clock, signal, writes, wake }: Events): Promise<void> {
  const waitMs = writes.size < writesAtOnce ? nextDueAt(backlog) - clock.elapsed() : Number.POSITIVE_INFINITY
  if (waitMs === Number.POSITIVE_INFINITY) return wake.promise
  await endsWithin(wake.promise, Math.max(waitMs, 1), { clock, signal })
}

/** Annotates one class. */
async function writeChange(events: Events, change: PendingChange): Promise<void> {
  const { backlog, clock, classes, world, signal } = events
  const { key } = change
  try {
    if (classes.has(key)) await annotate(events, change)
    events.refused.delete(key)
  } catch (error) {
    if (signal.aborted) return
    const isRefused = error instanceof KubeError && refusals.has(error.status)
    world.metrics.changed(isRefused ? 'refused' : 'failed')
    world.log.warn({ class: key, err: error }, `the class cannot be annotated: ${errorMessage(error)}`)
    if (!isRefused) return changeFailed(backlog, change, clock.elapsed())
    if (classes.has(key)) events.refused.add(key)
  }
  if (signal.aborted) return
  await giveBack(events, changeWritten(backlog, change, clock.elapsed()))
}

const noSpread: Spread = { spreadSeconds: 0, signInSpreadSeconds: 0 }

/** Gone, or an object that the API server does not take, which its author can cause: to try again would not help. */
const refusals: ReadonlySet<number> = new Set([400, 404, 413, 422])

async function annotate(
  { backlog, clock, classes, index, world, signal }: Events,
  change: PendingChange,
): Promise<void> {
  const { key } = change
  const { kube, metrics, spreadOf = () => noSpread } = world
  const [namespace = '', name = ''] = key.split('/')
  const annotation = annotationOf(backlog, change, {
    before: classes.changeOf(key),
    // A driver gets a volume as a whole: a provider that keeps no values reads all objects of the class.
    spread: spreadOf(namespace, name, index.objectsOf(key)),
    now: clock.now(),
    elapsed: clock.elapsed(),
  })
  const annotations = { [classAnnotations.changed]: printClassChange(annotation) }
  await kube.patch(resources.secretProviderClasses, { namespace, name }, { metadata: { annotations } }, { signal })
  metrics.changed('written')
  metrics.lag(Math.max(clock.now() - annotation.at, 0) / 1000)
}

async function reportUp({ world, recorder }: Events, source: EventSource, before: boolean | undefined): Promise<void> {
  world.metrics.sourceUp(source.name, true)
  world.log.info({ source: source.name }, 'events are received')
  if (before === false)
    await recorder.record(world.pod, 'Normal', 'EventsReceived', `${source.name}: events are received again`)
}

async function reportDown({ world, recorder }: Events, source: EventSource, error: unknown): Promise<void> {
  world.metrics.sourceUp(source.name, false)
  world.log.warn({ err: error, source: source.name }, `no events are received: ${errorMessage(error)}`)
  const message = errorMessage(error)
  const reason = message.startsWith(`${source.name} `) ? message : `${source.name}: ${message}`
  const text = `${reason}; until events are received again, volumes follow by their interval`
  await recorder.record(world.pod, 'Warning', 'EventsUnavailable', text)
}

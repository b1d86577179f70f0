import { type KubeClient, KubeError, type KubeObject, type WatchEvent } from '#kubernetes/client'
import type { Clock } from '#lib'
import { createLoadCounter, type LoadCounter } from './load-counter.ts'

/** An API server in memory that counts. It holds few kinds of objects as a whole, and of the others that they exist. */
export interface CountingApiServer {
  kube: KubeClient
  reads: LoadCounter
  writes: LoadCounter
  /** Puts an object there without being counted. */
  put(plural: string, object: KubeObject): void
}

/** Of status objects and events, which are many, only this is kept. */
const countedOnly: ReadonlySet<string> = new Set(['secretproviderclasspodstatuses', 'events'])

interface State {
  /** By plural, then by `namespace/name`. */
  objects: Map<string, Map<string, KubeObject>>
  watchers: Map<string, Set<(event: WatchEvent<KubeObject>) => void>>
  version: number
}

export function createCountingApiServer(clock: Clock): CountingApiServer {
  const state: State = { objects: new Map(), watchers: new Map(), version: 1 }
  const reads = createLoadCounter(clock)
  const writes = createLoadCounter(clock)
  const kube = {
    server: 'model',
    async get({ plural }: { plural: string }, ref: Ref) {
      reads.add()
      return found(state, plural, ref)
    },
    async list(
      { plural }: { plural: string },
      { fieldSelector, labelSelector, pick = (one: KubeObject) => one }: ListOptions = {},
    ) {
      reads.add()
      // Drivers ask for the status objects of their own node when they start: there are none.
      const all = labelSelector === undefined ? [...(state.objects.get(plural)?.values() ?? [])] : []
      const name = fieldSelector?.replace('metadata.name=', '')
      const items = all.filter(({ metadata }) => name === undefined || metadata.name === name)
      return { items: items.map((item) => pick(item)), resourceVersion: String(state.version) }
    },
    watch: ({ plural }: { plural: string }, { fieldSelector = '', signal }: ListOptions) =>
      watch(state, `${plural}/${fieldSelector.replace('metadata.name=', '')}`, signal),
    async create({ plural }: { plural: string }, object: KubeObject) {
      writes.add()
      return put(state, plural, object)
    },
    async patch({ plural }: { plural: string }, ref: Ref, change: Partial<KubeObject>) {
      writes.add()
      if (countedOnly.has(plural)) return found(state, plural, ref)
      const before = found(state, plural, ref)
      const annotations = Object.entries({ ...before.metadata.annotations, ...change.metadata?.annotations })
      const kept = Object.fromEntries(annotations.filter(([, value]) => value !== null))
      return put(state, plural, { ...before, metadata: { ...before.metadata, annotations: kept } })
    },
    close: () => {},
  }
  return {
    kube: kube as unknown as KubeClient,
    reads,
    writes,
    put: (plural, object) => void put(state, plural, object),
  }
}

interface Ref {
  name: string
  namespace?: string
}

interface ListOptions {
  fieldSelector?: string
  labelSelector?: string
  signal?: AbortSignal
  pick?: (object: KubeObject) => unknown
}

function found({ objects }: State, plural: string, { namespace = '', name }: Ref): KubeObject {
  const object = objects.get(plural)?.get(`${namespace}/${name}`)
  if (object === undefined) throw new KubeError(`${plural} "${name}" not found`, { status: 404, reason: 'NotFound' })
  return object
}

function put(state: State, plural: string, object: KubeObject): KubeObject {
  const { metadata, ...rest } = object
  const { name = '', namespace = '' } = metadata
  const resourceVersion = String(++state.version)
  const uid = metadata.uid ?? `uid-${state.version}`
  const kept = countedOnly.has(plural)
    ? { apiVersion: '', kind: '', metadata: { name, namespace, uid, resourceVersion, labels: metadata.labels } }
    : { ...rest, metadata: { ...metadata, uid, resourceVersion, generation: metadata.generation ?? 1 } }
  const of = state.objects.get(plural) ?? new Map<string, KubeObject>()
  state.objects.set(plural, of)
  // One event of a rotation is like another: their number is counted.
  if (plural !== 'events') of.set(`${namespace}/${name}`, kept as KubeObject)
  for (const key of [`${plural}/${name}`, `${plural}/`])
    for (const send of state.watchers.get(key) ?? []) send({ type: 'MODIFIED', object: kept as KubeObject })
  return kept as KubeObject
}

/** Never ends by itself: a real server ends it every few minutes, and its client asks again. */
async function* watch({ watchers }: State, key: string, signal?: AbortSignal): AsyncGenerator<WatchEvent<KubeObject>> {
  const events: WatchEvent<KubeObject>[] = []
  let wake = () => {}
  const send = (event: WatchEvent<KubeObject>) => {
    events.push(event)
    wake()
  }
  const of = watchers.get(key) ?? new Set()
  watchers.set(key, of.add(send))
  signal?.addEventListener('abort', () => wake(), { once: true })
  try {
    for (;;) {
      signal?.throwIfAborted()
      const event = events.shift()
      if (event !== undefined) yield event
      else
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    }
  } finally {
    of.delete(send)
  }
}

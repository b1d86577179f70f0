import {
  type Following,
  follow,
  isNotFound,
  isTooLarge,
  type KubeClient,
  type KubeObject,
  pathOf,
} from '#kubernetes/client'
import { createLog, type Running, sleep } from '#lib'
import { attempt } from '../answer.ts'
import { type ClusterObjects, emptyObjects } from './cluster-objects.ts'
import { put } from './load-objects.ts'
import { judgeClass } from './pick-class.ts'
import type { ViewName } from './rows.ts'
import { isClusterWide, type Source, sources } from './sources.ts'
import { statusLimits } from './status-limits.ts'

export interface FollowedObjects extends Running {
  readonly objects: ClusterObjects
  /** Why a source is missing, by its noun. */
  readonly missing: ReadonlyMap<string, string>
  /** Nouns of the missing sources that the rows of a view are made of, first the one that has an object for each row. */
  missingFor(view: ViewName): readonly string[]
  /** Resolves when every source was read once, or is missing. */
  readonly ready: Promise<void>
  /** Whether everything that the rows of a view are made of was read once, or is missing. */
  isReadyFor(view: ViewName): boolean
  /** Raised by every change. */
  version(): number
  /** Raises the version: what rows are made of beside the objects has changed. */
  touch(): void
  /** Milliseconds since the server last showed that what is here is current; of the source that is silent for longest. */
  silentMs(): number
}

export interface FollowObjectsOptions {
  /** Undefined: all. */
  namespace: string | undefined
  views: readonly ViewName[]
}

interface Follower {
  kube: KubeClient
  namespace: string | undefined
  objects: ClusterObjects
  missing: Map<string, string>
  followings: Following[]
  /** Sources that were neither read yet nor refused. */
  unread: Set<Source>
  signal: AbortSignal
  version: number
  isJudging: boolean
}

const mainMaps: Readonly<Record<ViewName, keyof ClusterObjects>> = {
  volumes: 'mounts',
  objects: 'mounts',
  classes: 'classes',
  secrets: 'syncs',
  nodes: 'nodes',
  problems: 'mounts',
  events: 'events',
}

/** Their rows have what is wrong with a class. */
const judgedViews: ReadonlySet<ViewName> = new Set(['classes', 'problems'])

/** How long until a source that was refused is tried again: the user may have been given the right meanwhile. */
const retryMs = 30_000

/** Follows what the rows of these views are made of, as far as the user may. */
export function followObjects(kube: KubeClient, { namespace, views }: FollowObjectsOptions): FollowedObjects {
  const abort = new AbortController()
  const { signal } = abort
  const objects = emptyObjects()
  const missing = new Map<string, string>()
  const wanted = sources.filter((source) => source.views.some((view) => views.includes(view)))
  const unread = new Set(wanted)
  const state = { followings: [], version: 0, isJudging: false }
  const follower: Follower = { kube, namespace, objects, missing, unread, signal, ...state }
  const started = wanted.map((source) => followSource(follower, source))
  return {
    objects,
    missing,
    ready: Promise.all(started.map(({ ready }) => ready)).then(() => undefined),
    missingFor: (view) =>
      wanted
        .filter(({ noun, views }) => missing.has(noun) && views.includes(view))
        .toSorted((a, b) => Number(b.map === mainMaps[view]) - Number(a.map === mainMaps[view]))
        .map(({ noun }) => noun),
    isReadyFor: (view) =>
      !(follower.isJudging && judgedViews.has(view)) && [...unread].every((source) => !source.views.includes(view)),
    version: () => follower.version,
    touch() {
      follower.version += 1
    },
    silentMs: () => Math.max(0, ...follower.followings.map((one) => one.silentMs())),
    async stop() {
      abort.abort(new Error('stopped'))
      await Promise.allSettled([...started.map(({ ended }) => ended), ...follower.followings.map((one) => one.stop())])
    },
  }
}

/** Asks for one object first: a kind that does not exist, or may not be listed, must not look like an interrupted watch. */
function followSource(follower: Follower, source: Source): { ready: Promise<void>; ended: Promise<void> } {
  const { promise: ready, resolve } = Promise.withResolvers<void>()
  const settled = () => {
    if (follower.unread.delete(source)) follower.version += 1
    resolve()
  }
  const run = async () => {
    const { signal, missing } = follower
    while (!signal.aborted) {
      const answer = await attempt(() => isServed(follower, source))
      if (signal.aborted) break
      if ('value' in answer && answer.value) {
        const following = start(follower, source)
        follower.followings.push(following)
        await following.synced.catch(() => undefined)
        // Until it has listed, a view without its objects must not look complete.
        if (missing.delete(source.noun)) follower.version += 1
        break
      }
      if ('why' in answer) missing.set(source.noun, answer.why)
      follower.version += 1
      settled()
      await sleep(retryMs, { signal }).catch(() => undefined)
    }
    settled()
  }
  return { ready, ended: run() }
}

async function isServed({ kube, signal, ...follower }: Follower, source: Source): Promise<boolean> {
  const namespace = isClusterWide(source) ? undefined : follower.namespace
  try {
    await kube.raw({ method: 'GET', path: `${pathOf(source.resource, { namespace })}?limit=1`, signal })
    return true
  } catch (error) {
    if (source.isOptional && isNotFound(error)) return false
    // An answer that is too large is an answer.
    if (isTooLarge(error)) return true
    throw error
  }
}

function start(follower: Follower, source: Source): Following {
  const { kube, objects } = follower
  const keys = new Map<string, string>()
  const namespace = isClusterWide(source) ? undefined : follower.namespace
  const map = objects[source.map] as Map<string, unknown>
  const idOf = ({ metadata }: KubeObject) => `${metadata.namespace ?? ''}/${metadata.name ?? ''}`
  const pick = (object: KubeObject) => [idOf(object), source.entry(object)] as const
  const remove = (id: string) => {
    const key = keys.get(id)
    if (key !== undefined) map.delete(key)
    keys.delete(id)
  }
  const add = ([id, entry]: ReturnType<typeof pick>) => {
    remove(id)
    if (entry === undefined) return
    keys.set(id, entry[0])
    put(objects, source, entry)
  }
  const changed = () => {
    follower.version += 1
    if (source.map === 'classes') judgeInTurns(follower)
    if (source.map === 'events') dropOldest(map, keys)
  }
  return follow(
    kube,
    source.resource,
    { ...source.selectors, namespace, pick, log: createLog({ name: 'dashboard', level: 'silent' }) },
    {
      onList(entries) {
        for (const key of keys.values()) map.delete(key)
        keys.clear()
        for (const entry of entries) add(entry)
        changed()
      },
      onChange(type, object) {
        if (type === 'DELETED') remove(idOf(object))
        else add(pick(object))
        changed()
      },
    },
  )
}

/** Events arrive about in the order of their time. */
function dropOldest(map: Map<string, unknown>, keys: Map<string, string>): void {
  const most = 2 * statusLimits.events.value
  for (const [id, key] of keys) {
    if (map.size <= most) return
    map.delete(key)
    keys.delete(id)
  }
}

const turnMs = 15

/** Classes are judged a few at a time: a cluster with many of them is shown at once. */
function judgeInTurns(follower: Follower): void {
  if (follower.isJudging) return
  follower.isJudging = true
  const turn = () => {
    const until = performance.now() + turnMs
    for (const facts of follower.objects.classes.values()) {
      if (facts.unjudged === undefined) continue
      judgeClass(facts)
      follower.version += 1
      if (performance.now() < until) continue
      if (!follower.signal.aborted) setImmediate(turn)
      return
    }
    follower.isJudging = false
    follower.version += 1
  }
  setImmediate(turn)
}

import {
  classAnnotations,
  type FollowHandlers,
  type Following,
  follow,
  followInto,
  type KubeClient,
  type KubeObject,
  objectKey,
  resources,
  type SecretProviderClass,
  type SecretSync,
} from '#kubernetes/client'
import type { Clock, Log, Running } from '#lib'
import { isReady } from './conditions.ts'
import type { SyncQueue } from './sync-queue.ts'
import { classSecretKeys, keyOf } from './wanted.ts'

export interface WatchedOptions {
  kube: KubeClient
  clock: Clock
  log: Log
  /** Undefined: all. */
  namespace: string | undefined
  /** Label selector of namespaces; empty: all. Only with an undefined namespace. */
  namespaceSelector: string
  /** Whether the controller makes the Secrets of classes that name a service account for it. */
  syncClasses: boolean
  queue: Pick<SyncQueue, 'soon' | 'later' | 'forget'>
  /** Called after a key of the queue is gone; `uid` is that of its SecretSync. */
  onGone(key: string, uid: string): void
}

/** SecretSyncs and classes of one namespace, or of all. */
export interface Watched extends Running {
  readonly syncs: ReadonlyMap<string, SecretSync>
  readonly classes: ReadonlyMap<string, SecretProviderClass>
  /** When the class was last seen to ask for a read (edited, annotated, changed in the vault), by `clock.elapsed()`. */
  askedAt(classKey: string): number | undefined
  /** Whether the namespace selector lets the namespace in. */
  isInReach(namespace: string): boolean
}

interface Watch {
  options: WatchedOptions
  syncs: Map<string, SecretSync>
  classes: Map<string, SecretProviderClass>
  namespaces: Map<string, true>
  askedAt: Map<string, number>
  /** Whether the classes have been listed once. */
  hasClasses: boolean
  /** Keys in the queue of the Secrets of each class, by the class's key. */
  secretsOfClass: Map<string, string[]>
}

/** Follows what Secrets are made from, and queues what is new about it. */
export function watch(options: WatchedOptions): Watched {
  const { namespaceSelector } = options
  const state: Watch = {
    options,
    syncs: new Map(),
    classes: new Map(),
    namespaces: new Map(),
    askedAt: new Map(),
    hasClasses: false,
    secretsOfClass: new Map(),
  }
  const follows: Following[] = []
  const stopping = new AbortController()
  const starting = start(state, follows, stopping.signal).catch(() => undefined)
  return {
    syncs: state.syncs,
    classes: state.classes,
    askedAt: (classKey) => state.askedAt.get(classKey),
    isInReach: (name) => namespaceSelector === '' || state.namespaces.has(`/${name}`),
    async stop() {
      stopping.abort()
      await Promise.all(follows.map((follow) => follow.stop()))
      await starting
    },
  }
}

async function start(state: Watch, follows: Following[], stopped: AbortSignal): Promise<void> {
  const { kube, clock, log, namespace, namespaceSelector } = state.options
  const begin = async (following: Following) => {
    follows.push(following)
    await following.synced
    stopped.throwIfAborted()
  }
  if (namespaceSelector !== '')
    await begin(
      followInto(state.namespaces, kube, resources.namespaces, {
        clock,
        log,
        labelSelector: namespaceSelector,
        keep: () => true as const,
        onChange: () => queueAll(state),
      }),
    )
  const options = { clock, log, namespace }
  // Classes first: a SecretSync whose class has not been listed yet would report that it is missing.
  await begin(follow(kube, resources.secretProviderClasses, options, handlers(state.classes, classChanged(state))))
  state.hasClasses = true
  await begin(follow(kube, resources.secretSyncs, options, handlers(state.syncs, syncChanged(state))))
}

/** A change of one object that a watch reports: as it was and as it is; undefined for one that is not there. */
type Change<T> = (key: string, before: T | undefined, now: T | undefined) => void

/** Keeps `map` up to date, and reports every change of it. */
function handlers<T extends KubeObject>(map: Map<string, T>, changed: Change<T>): FollowHandlers<T> {
  const set = (key: string, now: T | undefined) => {
    const before = map.get(key)
    if (now === undefined) map.delete(key)
    else map.set(key, now)
    changed(key, before, now)
  }
  return {
    onList(objects) {
      const listed = new Map(objects.map((object) => [objectKey(object), object]))
      for (const key of map.keys()) if (!listed.has(key)) set(key, undefined)
      for (const [key, object] of listed) set(key, object)
    },
    onChange: (type, object) => set(objectKey(object), type === 'DELETED' ? undefined : object),
  }
}

/** A namespace came within reach, or left it: a check of what is out of reach does nothing. */
function queueAll({ syncs, secretsOfClass, options: { queue } }: Watch): void {
  for (const key of syncs.keys()) queue.soon(key)
  for (const keys of secretsOfClass.values()) for (const key of keys) queue.soon(key)
}

/** A status or an annotation of a SecretSync is ours. */
function syncChanged({ options: { queue, onGone } }: Watch): Change<SecretSync> {
  return (key, before, now) => {
    if (before !== undefined && before.metadata.uid !== now?.metadata.uid) onGone(key, before.metadata.uid ?? '')
    if (now === undefined) return queue.forget(key)
    if (stateOf(before) === stateOf(now)) return
    // After a restart of the controller, objects that are Ready are spread over time: thousands of them cause no burst.
    if (before === undefined && isReady(now)) queue.later(key)
    else queue.soon(key)
  }
}

function stateOf(object: KubeObject | undefined, annotations: readonly string[] = []): string {
  const { uid, generation, annotations: all = {} } = object?.metadata ?? {}
  return JSON.stringify([uid, generation, ...annotations.map((name) => all[name])])
}

const { rotate, changed: changedInVault, syncServiceAccount } = classAnnotations

function classChanged(state: Watch): Change<SecretProviderClass> {
  const watched = [rotate, changedInVault, syncServiceAccount]
  return (key, before, now) => {
    if (stateOf(before, watched) === stateOf(now, watched)) return
    if (now === undefined) state.askedAt.delete(key)
    else state.askedAt.set(key, state.options.clock.elapsed())
    for (const sync of state.syncs.values()) {
      const classKey = `${sync.metadata.namespace}/${sync.spec.secretProviderClassName}`
      if (classKey === key) state.options.queue.soon(keyOf(sync))
    }
    queueSecretsOf(state, key, before, now)
  }
}

/** Secrets that a class no longer asks for stay until their owner, the class, is deleted. */
function queueSecretsOf(
  { secretsOfClass, hasClasses, options }: Watch,
  classKey: string,
  before: SecretProviderClass | undefined,
  now: SecretProviderClass | undefined,
): void {
  const { queue, onGone, syncClasses } = options
  if (!syncClasses) return
  const wanted = now === undefined ? [] : classSecretKeys(now)
  const isSame = before?.metadata.uid === now?.metadata.uid
  for (const key of secretsOfClass.get(classKey) ?? []) {
    if (isSame && wanted.includes(key)) continue
    queue.forget(key)
    onGone(key, '')
  }
  secretsOfClass.set(classKey, wanted)
  if (wanted.length === 0) secretsOfClass.delete(classKey)
  // After a start, they are spread over time as SecretSyncs are.
  for (const key of wanted) {
    if (hasClasses) queue.soon(key)
    else queue.later(key)
  }
}

import { classLimits, vaultObjectsTask } from '#azure/class'
import {
  type ClassChange,
  classAnnotations,
  type Following,
  follow,
  type KubeClient,
  objectKey,
  parseClassChange,
  resources,
  type SecretProviderClass,
} from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, sleep } from '#lib'
import { TaskError, type TaskRunner } from '#lib/worker'
import { type ClassIndex, namespaceOf } from './class-index.ts'

export interface ClassWatchOptions {
  kube: KubeClient
  clock: Clock
  log: Log
  /** Where classes are parsed: their authors decide how long that takes. */
  tasks: TaskRunner
  index: ClassIndex
  /** Empty: all. */
  namespaces: readonly string[]
}

export interface ClassWatch extends Running {
  /** Resolves when every class that was there at the start is in the index. */
  ready: Promise<void>
  has(key: string): boolean
  /** The annotation that the class has. */
  changeOf(key: string): ClassChange | undefined
  /** Classes of our provider whose objects are not all in the index, so that events of them are not matched. */
  unmatched: ReadonlySet<string>
  keys(): Iterable<string>
}

interface WatchedClass {
  uid: string
  generation: number
  changed: ClassChange | undefined
  /** Until they are in the index. Undefined for a class of another provider, or beyond its limits. */
  parameters: Record<string, string> | undefined
  isBeyondLimits: boolean
}

interface Watch extends ClassWatchOptions {
  classes: Map<string, WatchedClass>
  /** Classes whose parameters are being read, with the one that this began with. */
  reading: Map<string, Promise<void>>
  unmatched: Set<string>
  signal: AbortSignal
}

/** Follows the classes, and keeps the index of their objects. */
export function watchClasses(options: ClassWatchOptions): ClassWatch {
  const { kube, clock, log, namespaces } = options
  const stopping = new AbortController()
  const watch: Watch = {
    ...options,
    classes: new Map(),
    reading: new Map(),
    unmatched: new Set(),
    signal: stopping.signal,
  }
  const scopes = namespaces.length === 0 ? [undefined] : namespaces
  const follows: Following[] = scopes.map((namespace) =>
    follow(
      kube,
      resources.secretProviderClasses,
      { namespace, clock, log, pick: (object) => [objectKey(object), watchedClass(watch, object)] as const },
      {
        onList: (entries) => replaceAll(watch, namespace, new Map(entries)),
        onChange(type, object) {
          const key = objectKey(object)
          if (type === 'DELETED') forget(watch, key)
          else see(watch, key, watchedClass(watch, object))
        },
      },
    ),
  )
  return {
    ready: Promise.all(follows.map(({ synced }) => synced)).then(async () => {
      await Promise.all(watch.reading.values())
    }),
    has: (key) => watch.classes.has(key),
    changeOf: (key) => watch.classes.get(key)?.changed,
    unmatched: watch.unmatched,
    keys: () => watch.classes.keys(),
    async stop() {
      stopping.abort(new Error('the classes are watched no more'))
      await Promise.all(follows.map((one) => one.stop()))
      await Promise.all(watch.reading.values())
    },
  }
}

/** What is needed of a class: its parameters only where they are not in the index already. */
function watchedClass({ classes }: Watch, object: SecretProviderClass): WatchedClass {
  const { uid = '', generation = 0, annotations } = object.metadata
  const before = classes.get(objectKey(object))
  const isSame = before?.uid === uid && before.generation === generation
  const changed = parseClassChange(annotations?.[classAnnotations.changed] ?? '')
  if (isSame) return { ...before, changed }
  const parameters = parametersOf(object)
  const isBeyondLimits = object.spec?.provider === 'azure' && parameters === undefined
  return { uid, generation, changed, parameters, isBeyondLimits }
}

function parametersOf({ spec }: SecretProviderClass): Record<string, string> | undefined {
  const { provider, parameters = {} } = spec ?? {}
  if (provider !== 'azure') return undefined
  let bytes = 0
  for (const [name, value] of Object.entries(parameters)) bytes += Buffer.byteLength(name) + Buffer.byteLength(value)
  return bytes > classLimits.bytes.value ? undefined : parameters
}

function replaceAll(watch: Watch, namespace: string | undefined, listed: ReadonlyMap<string, WatchedClass>): void {
  for (const key of watch.classes.keys()) {
    const isOfList = namespace === undefined || namespaceOf(key) === namespace
    if (isOfList && !listed.has(key)) forget(watch, key)
  }
  for (const [key, one] of listed) see(watch, key, one)
}

function forget({ classes, index, unmatched }: Watch, key: string): void {
  unmatched.delete(key)
  classes.delete(key)
  index.remove(key)
}

function see(watch: Watch, key: string, now: WatchedClass): void {
  const { classes, reading, index, unmatched } = watch
  const before = classes.get(key)
  classes.set(key, now)
  if (before !== undefined && before.uid === now.uid && before.generation === now.generation) return
  if (now.isBeyondLimits) unmatched.add(key)
  else if (now.parameters === undefined) unmatched.delete(key)
  if (now.parameters === undefined) index.remove(key)
  else if (!reading.has(key))
    reading.set(
      key,
      read(watch, key).finally(() => reading.delete(key)),
    )
}

/** Puts the objects of a class into the index: of its newest generation, however often it changes meanwhile. */
async function read(watch: Watch, key: string): Promise<void> {
  const { classes, index, unmatched, log, signal } = watch
  while (!signal.aborted) {
    const one = classes.get(key)
    if (one?.parameters === undefined) return
    const objects = await objectsOf(watch, key, one.parameters)
    if (classes.get(key)?.uid !== one.uid || classes.get(key)?.generation !== one.generation) continue
    const current = classes.get(key)
    if (current !== undefined) current.parameters = undefined
    const isIndexed = index.set(key, objects ?? [])
    if (isIndexed && objects !== undefined) unmatched.delete(key)
    else unmatched.add(key)
    if (!isIndexed)
      log.warn(
        { class: key },
        'the classes of the namespace have too many objects; events of this class are not matched',
      )
    return
  }
}

type Objects = Parameters<ClassIndex['set']>[1]

/** Undefined for a class that cannot be parsed. What is due to this process's resources is tried again. */
async function objectsOf(watch: Watch, key: string, parameters: Record<string, string>): Promise<Objects | undefined> {
  const { tasks, clock, unmatched, log, signal } = watch
  for (let attempt = 1; ; attempt++)
    try {
      return await tasks.run(vaultObjectsTask, new Map(Object.entries(parameters)), { owner: namespaceOf(key), signal })
    } catch (error) {
      const isOver = signal.aborted || attempt === mostAttempts || !isPassing(error)
      if (isOver && !signal.aborted)
        log.warn(
          { class: key, err: error },
          `the class cannot be read: ${errorMessage(error)}; its events are not matched`,
        )
      if (isOver) return undefined
      unmatched.add(key)
      await sleep(tryAgainMs, { clock, signal }).catch(() => undefined)
    }
}

const mostAttempts = 60
const tryAgainMs = 1000

/** Too much is waiting, or a thread was lost; a class that takes too much itself fails in the same way again. */
function isPassing(error: unknown): boolean {
  return error instanceof TaskError && (error.code === 'task-queue-full' || error.code === 'task-thread-lost')
}

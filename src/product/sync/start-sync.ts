import {
  classAnnotations,
  createEventRecorder,
  followInto,
  type KubeClient,
  parseSyncInterval,
  resources,
  type SecretProviderClass,
} from '#kubernetes/client'
import { createProviderClient } from '#kubernetes/provider-protocol'
import { createTlsValues } from '#kubernetes/secret-data'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { createWorkerPool } from '#lib/worker'
import { isReady } from './conditions.ts'
import { keyOf, type Reconciler, reconcile } from './reconcile.ts'
import { type SecretSync, secretSyncs } from './secret-sync.ts'
import { createServiceAccountTokens } from './service-account-tokens.ts'
import { createChangeDigest } from './sync-hash.ts'
import type { SyncMetrics } from './sync-metrics.ts'
import { createSyncQueue, type SyncQueue } from './sync-queue.ts'

export interface SyncConfig {
  /** Directories of provider sockets, searched in this order. */
  providerDirectories: readonly string[]
  maxReceiveBytes: number
  /** Of the service account tokens that providers get. */
  audiences: readonly string[]
  /** For classes without `syncInterval`; 0 for no polling. */
  intervalMs: number
  /** Empty: all. */
  namespaces: readonly string[]
  controllerName: string
  workers: number
  pod: { name: string; uid: string }
}

export interface SyncWorld {
  kube: KubeClient
  metrics: SyncMetrics
  log: Log
  clock?: Clock | undefined
}

/** What the leader does: follows SecretSyncs and their classes, and keeps the Secrets up to date. `stop` ends all work at once. */
export function startSync(config: SyncConfig, { kube, metrics, log, clock = systemClock }: SyncWorld): Running {
  const { providerDirectories: directories, maxReceiveBytes, audiences, controllerName, pod } = config
  const syncs = new Map<string, SecretSync>()
  const classes = new Map<string, SecretProviderClass>()
  const lastCheck = new Map<string, number>()
  const providers = createProviderClient({ directories, maxReceiveBytes })
  const tasks = createWorkerPool()
  const events = createEventRecorder({
    client: kube,
    log,
    component: 'secrets-store-sync-controller',
    clock,
    quietMs: 3_600_000,
  })
  const reconciler: Reconciler = {
    kube,
    providers,
    tokens: createServiceAccountTokens({ kube, audiences, clock }),
    tls: createTlsValues(tasks, clock),
    syncOf: (key) => syncs.get(key),
    classOf: (namespace, name) => classes.get(`${namespace}/${name}`),
    digest: createChangeDigest(),
    last: new Map(),
    pod,
    controllerName,
    nextCheck: (key) => queue.nextAt(key),
    events,
    metrics,
    clock,
    log,
  }
  const queue = createSyncQueue({
    async work(key, signal) {
      await reconcile(reconciler, key, signal)
      lastCheck.set(key, clock.now())
    },
    intervalOf: (key) => intervalOf(syncs.get(key), classes, config.intervalMs),
    workers: config.workers,
    clock,
  })
  const watches = watchedNamespaces(config.namespaces).map((namespace) =>
    followNamespace({
      kube,
      clock,
      log,
      namespace,
      syncs,
      classes,
      queue,
      forget: (key, uid) => {
        lastCheck.delete(key)
        reconciler.last.delete(uid)
      },
    }),
  )
  metrics.state(() => ({
    syncs: [...syncs.values()].map((sync) => ({
      namespace: sync.metadata.namespace ?? '',
      name: sync.metadata.name ?? '',
      ready: isReady(sync),
    })),
    oldestCheckMs: lastCheck.size === 0 ? undefined : Math.min(...lastCheck.values()),
  }))
  return {
    async stop() {
      await queue.stop()
      await Promise.all(watches.map((watch) => watch.stop()))
      providers.stop()
      await tasks.stop()
    },
  }
}

/** One watch for the whole cluster, or one for each namespace. */
function watchedNamespaces(namespaces: readonly string[]): readonly (string | undefined)[] {
  return namespaces.length === 0 ? [undefined] : namespaces
}

interface NamespaceWatch {
  kube: KubeClient
  clock: Clock
  log: Log
  namespace: string | undefined
  syncs: Map<string, SecretSync>
  classes: Map<string, SecretProviderClass>
  queue: SyncQueue
  forget(key: string, uid: string): void
}

function followNamespace({ kube, clock, log, namespace, syncs, classes, queue, forget }: NamespaceWatch): Running {
  const seen = new Map<string, string>()
  const ofClass = new Map<string, string>()
  const mine = (key: string) => namespace === undefined || key.startsWith(`${namespace}/`)

  /** Queues what is new about SecretSyncs. A status or an annotation of ours is not. */
  const syncsChanged = () => {
    for (const [key, sync] of syncs) {
      if (!mine(key)) continue
      const state = `${sync.metadata.uid} ${sync.metadata.generation}`
      const before = seen.get(key)
      if (before === state) continue
      seen.set(key, state)
      // After a restart of the controller, objects that are Ready are spread over time: thousands of them cause no burst.
      if (before === undefined && isReady(sync)) queue.later(key)
      else queue.soon(key)
    }
    for (const [key, state] of seen) {
      if (syncs.has(key)) continue
      seen.delete(key)
      queue.forget(key)
      forget(key, state.split(' ')[0] ?? '')
    }
  }
  const classesChanged = () => {
    for (const [key, { metadata }] of classes) {
      if (!mine(key)) continue
      const { rotate } = classAnnotations
      const state = [
        metadata.uid,
        metadata.generation,
        metadata.annotations?.[rotate],
        metadata.annotations?.[changedAnnotation],
      ].join(' ')
      const before = ofClass.get(key)
      ofClass.set(key, state)
      if (before !== undefined && before !== state) queueClass(key)
      if (before === undefined)
        queueClass(
          key,
          ({ status }) =>
            status?.conditions?.some(({ reason }) => reason === 'SecretProviderClassMisconfigured') === true,
        )
    }
    for (const key of ofClass.keys()) {
      if (classes.has(key)) continue
      ofClass.delete(key)
      queueClass(key)
    }
  }
  const queueClass = (key: string, which: (sync: SecretSync) => boolean = () => true) => {
    for (const sync of syncs.values()) {
      const className = `${sync.metadata.namespace}/${sync.spec.secretProviderClassName}`
      if (className === key && which(sync)) queue.soon(keyOf(sync))
    }
  }

  const common = { namespace, clock, log }
  // Classes first: a SecretSync whose class has not been listed yet would report that it is missing.
  const classWatch = followInto(classes, kube, resources.secretProviderClasses, {
    ...common,
    keep: (secretClass) => secretClass,
    onChange: classesChanged,
  })
  let syncWatch: Running | undefined
  let stopped = false
  const starting = classWatch.synced.then(() => {
    if (stopped) return
    syncWatch = followInto(syncs, kube, secretSyncs, { ...common, keep: (sync) => sync, onChange: syncsChanged })
  })
  return {
    async stop() {
      stopped = true
      await classWatch.stop()
      await Promise.race([starting, Promise.resolve()])
      await syncWatch?.stop()
    },
  }
}

/** Written by the part that follows events of vaults. */
const changedAnnotation = 'keymount.dev/changed'

function intervalOf(
  sync: SecretSync | undefined,
  classes: ReadonlyMap<string, SecretProviderClass>,
  fallbackMs: number,
): number {
  const secretClass =
    sync === undefined ? undefined : classes.get(`${sync.metadata.namespace}/${sync.spec.secretProviderClassName}`)
  return parseSyncInterval(secretClass?.spec?.parameters?.syncInterval ?? '') ?? fallbackMs
}

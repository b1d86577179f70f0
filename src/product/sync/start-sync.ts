import {
  createEventRecorder,
  type KubeClient,
  parseSyncInterval,
  type SecretProviderClass,
  type SecretSync,
} from '#kubernetes/client'
import { createProviderClient, type ProviderClient } from '#kubernetes/provider-protocol'
import { createTlsValues } from '#kubernetes/secret-data'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import { createWorkerPool, type TaskRunner } from '#lib/worker'
import { isReady } from './conditions.ts'
import { reconcile } from './reconcile.ts'
import type { Reconciler } from './reconciler.ts'
import { staleSinceOf } from './report.ts'
import { createServiceAccounts } from './service-accounts.ts'
import type { SyncMetrics } from './sync-metrics.ts'
import { createSyncQueue } from './sync-queue.ts'
import { type Wanted, wantedByClass, wantedBySync } from './wanted.ts'
import { type Watched, watch } from './watched.ts'

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
  /** Label selector of the namespaces; empty: all. Not together with `namespaces`. */
  namespaceSelector: string
  controllerName: string
  /** Whether Secrets are also made for `secretObjects` of classes that name a service account for it. */
  syncClasses: boolean
  workers: number
  pod: { name: string; uid: string }
}

export interface SyncWorld {
  kube: KubeClient
  metrics: SyncMetrics
  log: Log
  clock?: Clock | undefined
  /** Default: those that have a socket in the directories of the configuration. */
  providers?: ProviderClient | undefined
  /** Where certificates are parsed. Default: worker threads. */
  tasks?: TaskRunner | undefined
}

/** What a leader has. */
interface Controller {
  config: SyncConfig
  /** One for the whole cluster, or one for each namespace. */
  watches: Watched[]
  /** Wall clock of the last check of each key. */
  lastCheck: Map<string, number>
  reported: Map<string, SecretSync>
}

/** What the leader does: follows SecretSyncs and their classes, and keeps the Secrets up to date. `stop` ends all work at once. */
export function startSync(config: SyncConfig, world: SyncWorld): Running {
  const { kube, metrics, log, clock = systemClock } = world
  const { providerDirectories: directories, maxReceiveBytes } = config
  const started = new AsyncDisposableStack()
  const tasks = world.tasks ?? createWorkerPool()
  started.defer(tasks.stop)
  const providers = world.providers ?? createProviderClient({ directories, maxReceiveBytes })
  started.defer(providers.stop)
  const controller: Controller = { config, watches: [], lastCheck: new Map(), reported: new Map() }
  const reconciler: Reconciler = {
    kube,
    providers,
    providerDirectories: directories,
    accounts: createServiceAccounts({ kube, audiences: config.audiences, clock }),
    tls: createTlsValues(tasks, clock),
    wanted: (key) => wantedOf(controller, key),
    classOf: (namespace, name) => classOf(controller, namespace, name),
    askedAt: (namespace, name) => askedAt(controller, `${namespace}/${name}`),
    written: new Map(),
    reported: controller.reported,
    pod: config.pod,
    nextCheck: (key) => queue.nextAt(key),
    isBusy: () => queue.isBusy(),
    events: createEventRecorder({
      client: kube,
      log,
      component: 'secrets-store-sync-controller',
      clock,
      quietMs: 3_600_000,
      maxHeld: 5000,
    }),
    metrics,
    clock,
    log,
  }
  const queue = createSyncQueue({
    async work(key, signal) {
      const next = await reconcile(reconciler, key, signal)
      if (reconciler.wanted(key) !== undefined) controller.lastCheck.set(key, clock.now())
      return next
    },
    intervalOf: (key) => intervalOf(controller, key),
    workers: config.workers,
    clock,
  })
  const namespaces = config.namespaces.length === 0 ? [undefined] : config.namespaces
  const { namespaceSelector, syncClasses } = config
  const onGone = (key: string, uid: string) => {
    controller.lastCheck.delete(key)
    reconciler.written.delete(key)
    controller.reported.delete(uid)
  }
  const options = { kube, clock, log, namespaceSelector, syncClasses, queue, onGone }
  controller.watches.push(...namespaces.map((namespace) => watch({ ...options, namespace })))
  started.defer(async () => void (await Promise.all(controller.watches.map((one) => one.stop()))))
  // First of all, so that no work meets a watch that has ended.
  started.defer(queue.stop)
  metrics.state(() => stateOf(controller))
  return { stop: () => started.disposeAsync() }
}

function wantedOf(controller: Controller, key: string): Wanted | undefined {
  const [namespace = '', name = '', className = '', secretName = ''] = key.split('/')
  if (!controller.watches.some((one) => one.isInReach(namespace))) return undefined
  if (className !== '') {
    const secretClass = classOf(controller, namespace, className)
    return secretClass && controller.config.syncClasses ? wantedByClass(secretClass, secretName) : undefined
  }
  const watched = syncOf(controller, `${namespace}/${name}`)
  if (watched === undefined || isOthers(controller.config, watched)) return undefined
  return wantedBySync(newest(controller.reported, watched))
}

function isOthers({ controllerName }: SyncConfig, { spec, metadata }: SecretSync): boolean {
  const named = spec.secretSyncControllerName ?? ''
  return metadata.deletionTimestamp !== undefined || (named !== '' && named !== controllerName)
}

/** The watch may be behind what a write of ours returned: nothing is written twice for that. */
function newest(reported: Map<string, SecretSync>, watched: SecretSync): SecretSync {
  const { uid = '', resourceVersion = '' } = watched.metadata
  const returned = reported.get(uid)
  if (returned === undefined) return watched
  if (isNewer(returned.metadata.resourceVersion ?? '', resourceVersion)) return returned
  reported.delete(uid)
  return watched
}

/** Versions of one collection are integers that grow: https://github.com/kubernetes/enhancements/issues/5504 */
function isNewer(version: string, than: string): boolean {
  return version.length === than.length ? version > than : version.length > than.length
}

function syncOf({ watches }: Controller, key: string): SecretSync | undefined {
  return watches.map(({ syncs }) => syncs.get(key)).find((sync) => sync !== undefined)
}

function classOf({ watches }: Controller, namespace: string, name: string): SecretProviderClass | undefined {
  return watches.map(({ classes }) => classes.get(`${namespace}/${name}`)).find((found) => found !== undefined)
}

function askedAt({ watches }: Controller, classKey: string): number | undefined {
  return watches.map((one) => one.askedAt(classKey)).find((at) => at !== undefined)
}

function intervalOf(controller: Controller, key: string): number {
  const [namespace = '', , className] = key.split('/')
  const name = className ?? syncOf(controller, key)?.spec.secretProviderClassName ?? ''
  const parameters = classOf(controller, namespace, name)?.spec?.parameters
  return parseSyncInterval(parameters?.syncInterval ?? '') ?? controller.config.intervalMs
}

function stateOf({ config, watches, lastCheck }: Controller) {
  const syncs = watches.flatMap((one) => [...one.syncs.values()]).filter((sync) => !isOthers(config, sync))
  return {
    syncs: syncs.map((sync) => ({
      namespace: sync.metadata.namespace ?? '',
      name: sync.metadata.name ?? '',
      ready: isReady(sync),
      stale: staleSinceOf(sync) !== undefined,
    })),
    oldestCheckMs: lastCheck.size === 0 ? undefined : Math.min(...lastCheck.values()),
  }
}

import { existsSync, type FSWatcher, mkdirSync, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { type CsiNode, isNotFound, type KubeClient, resources } from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import type { HostPaths } from './host-paths.ts'
import { nodeInfo, notifyRegistration, pluginInfo } from './plugin-client.ts'

/** A CSI driver that is registered on this node. */
export interface RegisteredDriver {
  name: string
  nodeID: string
  /** Its socket, as it registered it: a path of the node. */
  endpoint: string
  /** Its socket on the machine. */
  socket: string
}

export interface PluginManager extends Running {
  /** Undefined while no driver of this name is registered. */
  driver(name: string): RegisteredDriver | undefined
  /** Resolves when the driver registers (again), rejects when the signal aborts. */
  nextRegistration(driver: string, signal: AbortSignal): Promise<void>
}

export interface PluginManagerOptions {
  /** Directory of the plugins' sockets. */
  directory: string
  hostPaths: HostPaths
  kube: KubeClient
  nodeName: string
  clock: Clock
  log: Log
}

interface Plugin {
  /** Distinguishes a new socket from an old one at the same path. */
  identity: string
  stop: AbortController
  driver: RegisteredDriver | undefined
}

interface State extends PluginManagerOptions {
  /** By the path of the socket. */
  plugins: Map<string, Plugin>
  waiting: Set<{ driver: string; resolve: () => void }>
  tasks: Set<Promise<void>>
  /** Resolves when the CSINode object is as it was last wanted. */
  writing: Promise<void>
}

/** Time between two reads of the directory, besides those when the system reports a change; in milliseconds. */
const scanMs = 1000

/**
 * Registers CSI drivers as kubelet does: a socket in `plugins_registry` names a plugin and its endpoint; the driver's node
 * id goes to the CSINode object; the plugin is notified of the result. When the socket is removed, so is the driver.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/ (same mechanism)
 */
export function startPluginManager(options: PluginManagerOptions): PluginManager {
  const { directory, log } = options
  mkdirSync(directory, { recursive: true, mode: 0o750 })
  const state: State = {
    ...options,
    plugins: new Map(),
    waiting: new Set(),
    tasks: new Set(),
    writing: Promise.resolve(),
  }
  // The timer makes up for a missing event.
  const watcher: FSWatcher = watch(directory, () => scan(state)).on('error', (error) =>
    log.warn({ err: error }, 'cannot watch plugins'),
  )
  const timer = setInterval(scan, scanMs, state)
  scan(state)
  return {
    driver: (name) => driversOf(state).find((driver) => driver.name === name),
    nextRegistration: (driver, signal) => nextRegistration(state, driver, signal),
    async stop() {
      watcher.close()
      clearInterval(timer)
      for (const plugin of state.plugins.values()) plugin.stop.abort(new Error('stopped'))
      await Promise.allSettled(state.tasks)
    },
  }
}

const driversOf = ({ plugins }: State) =>
  [...plugins.values()].flatMap(({ driver }) => (driver === undefined ? [] : [driver]))

/** Compares the sockets in the directory with the plugins. */
function scan(state: State): void {
  const { directory, plugins, log } = state
  const found = new Map(socketsIn(directory))
  for (const [socket, plugin] of plugins) {
    if (found.get(socket) === plugin.identity) continue
    plugins.delete(socket)
    plugin.stop.abort(new Error('the plugin is gone'))
    if (plugin.driver === undefined) continue
    log.info({ driver: plugin.driver.name }, 'plugin deregistered')
    track(
      state,
      writeCsiNode(state).catch((error) => log.warn({ err: error }, 'CSINode could not be written')),
    )
  }
  for (const [socket, identity] of found) {
    if (plugins.has(socket)) continue
    const plugin: Plugin = { identity, stop: new AbortController(), driver: undefined }
    plugins.set(socket, plugin)
    track(state, registerUntilDone(state, socket, plugin))
  }
}

function track({ tasks }: State, task: Promise<void>): void {
  tasks.add(task)
  task.finally(() => tasks.delete(task)).catch(() => undefined)
}

async function registerUntilDone(state: State, socket: string, plugin: Plugin): Promise<void> {
  const backoff = createBackoff({ initialMs: 500, maxMs: 122_000, jitter: 0 })
  const { signal } = plugin.stop
  while (!signal.aborted) {
    try {
      return await register(state, socket, plugin)
    } catch (error) {
      state.log.warn({ socket, reason: errorMessage(error) }, 'plugin could not be registered, will retry')
      await sleep(backoff.next(), { clock: state.clock, signal }).catch(() => undefined)
    }
  }
}

async function register(state: State, socket: string, plugin: Plugin): Promise<void> {
  const { name, type, endpoint, supportedVersions } = await pluginInfo(socket)
  try {
    if (type !== 'CSIPlugin') throw new Error(`a plugin of type "${type}" is not supported`)
    if (!supportedVersions.some((version) => /^v?1\./.test(version))) {
      throw new Error(`driver ${name} supports the versions ${supportedVersions.join(', ')}, expected 1.x`)
    }
    const driverSocket = state.hostPaths.onMachine(endpoint)
    const { nodeId } = await nodeInfo(driverSocket)
    plugin.driver = { name, nodeID: nodeId, endpoint, socket: driverSocket }
    await writeCsiNode(state)
  } catch (error) {
    plugin.driver = undefined
    const reason = `RegisterPlugin error -- plugin registration failed with err: ${errorMessage(error)}`
    await notifyRegistration(socket, { pluginRegistered: false, error: reason })
    throw error
  }
  await notifyRegistration(socket, { pluginRegistered: true, error: '' })
  state.log.info({ driver: name, endpoint }, 'plugin registered')
  for (const waiter of state.waiting) if (waiter.driver === name) waiter.resolve()
}

/** Writes are in order: the last one has the current drivers. */
function writeCsiNode(state: State): Promise<void> {
  const next = state.writing
    .catch(() => undefined)
    .then(() => saveCsiNode(state.kube, state.nodeName, driversOf(state)))
  state.writing = next
  return next
}

function nextRegistration({ waiting }: State, driver: string, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const waiter = { driver, resolve }
  const onAbort = () => reject(signal.reason)
  waiting.add(waiter)
  signal.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => {
    waiting.delete(waiter)
    signal.removeEventListener('abort', onAbort)
  })
}

function socketsIn(directory: string): [socket: string, identity: string][] {
  return (existsSync(directory) ? readdirSync(directory) : []).flatMap((name) => {
    const path = join(directory, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (name.startsWith('.') || stat?.isSocket() !== true) return []
    // Without ctime, which a change of mode changes.
    return [[path, `${stat.ino}:${stat.mtimeMs}`] as [string, string]]
  })
}

/** Writes the drivers of this node into its CSINode object, which is created if it does not exist. */
export async function saveCsiNode(
  kube: KubeClient,
  nodeName: string,
  drivers: readonly { name: string; nodeID: string }[],
): Promise<void> {
  const spec = { drivers: drivers.map(({ name, nodeID }) => ({ name, nodeID, topologyKeys: null })) }
  try {
    await kube.patch(resources.csiNodes, { name: nodeName }, { spec })
  } catch (error) {
    if (!isNotFound(error)) throw error
    const { uid = '' } = (await kube.get(resources.nodes, { name: nodeName })).metadata
    const node: CsiNode = {
      apiVersion: 'storage.k8s.io/v1',
      kind: 'CSINode',
      metadata: { name: nodeName, ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name: nodeName, uid }] },
      spec,
    }
    await kube.create(resources.csiNodes, node)
  }
}

import { existsSync, type FSWatcher, mkdirSync, readdirSync, statSync, watch } from 'node:fs'
import { join } from 'node:path'
import { type CsiNode, isNotFound, type KubeClient, resources } from '#kubernetes/client'
import { type Clock, errorMessage, type Log, type Running, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import { nodeInfo, notifyRegistration, pluginInfo } from './plugin-client.ts'

export interface PluginManager extends Running {
  /** Socket of a registered CSI driver, or undefined. */
  socketOf(driver: string): string | undefined
  /** Resolves when the driver registers (again), rejects when the signal aborts. */
  nextRegistration(driver: string, signal: AbortSignal): Promise<void>
}

interface Plugin {
  /** Tells a new socket from an old one at the same path. */
  identity: string
  stop: AbortController
  driver?: { name: string; nodeID: string; endpoint: string }
}

/** How often the directory is read, besides when the system reports a change; in milliseconds. */
const scanMs = 1000

/**
 * Registers CSI drivers as kubelet does: a socket in `plugins_registry` names a plugin and its endpoint; the driver's node
 * id goes to the CSINode object; the plugin is told the result. When the socket goes, so does the driver.
 * https://kubernetes.io/docs/concepts/extend-kubernetes/compute-storage-net/device-plugins/ (same mechanism)
 */
export function startPluginManager(options: {
  directory: string
  kube: KubeClient
  nodeName: string
  clock: Clock
  log: Log
}): PluginManager {
  const { directory, kube, nodeName, clock, log } = options
  mkdirSync(directory, { recursive: true, mode: 0o750 })
  const plugins = new Map<string, Plugin>()
  const waiting = new Set<{ driver: string; resolve: () => void }>()
  const tasks = new Set<Promise<void>>()
  let writing: Promise<void> = Promise.resolve()

  const drivers = () => [...plugins.values()].flatMap(({ driver }) => (driver === undefined ? [] : [driver]))
  const track = (task: Promise<void>) => {
    tasks.add(task)
    task.finally(() => tasks.delete(task)).catch(() => undefined)
  }
  const writeCsiNode = () => {
    const next = writing.catch(() => undefined).then(() => saveCsiNode(kube, nodeName, drivers()))
    writing = next
    return next
  }

  async function register(socket: string, plugin: Plugin): Promise<void> {
    const info = await pluginInfo(socket)
    try {
      if (info.type !== 'CSIPlugin') throw new Error(`a plugin of type "${info.type}" is not supported`)
      if (!info.supportedVersions.some((version) => /^v?1\./.test(version)))
        throw new Error(`driver ${info.name} supports the versions ${info.supportedVersions.join(', ')}, expected 1.x`)
      const { nodeId } = await nodeInfo(info.endpoint)
      plugin.driver = { name: info.name, nodeID: nodeId, endpoint: info.endpoint }
      await writeCsiNode()
    } catch (error) {
      delete plugin.driver
      const reason = `RegisterPlugin error -- plugin registration failed with err: ${errorMessage(error)}`
      await notifyRegistration(socket, { pluginRegistered: false, error: reason })
      throw error
    }
    await notifyRegistration(socket, { pluginRegistered: true, error: '' })
    log.info({ driver: info.name, endpoint: info.endpoint }, 'plugin registered')
    for (const waiter of waiting) if (waiter.driver === info.name) waiter.resolve()
  }

  async function keepTrying(socket: string, plugin: Plugin): Promise<void> {
    const backoff = createBackoff({ initialMs: 500, maxMs: 122_000, jitter: 0 })
    const { signal } = plugin.stop
    while (!signal.aborted) {
      try {
        return await register(socket, plugin)
      } catch (error) {
        log.warn({ socket, reason: errorMessage(error) }, 'plugin could not be registered, trying again')
        await sleep(backoff.next(), { clock, signal }).catch(() => undefined)
      }
    }
  }

  function scan(): void {
    const found = new Map(socketsIn(directory))
    for (const [socket, plugin] of plugins) {
      if (found.get(socket) === plugin.identity) continue
      plugins.delete(socket)
      plugin.stop.abort(new Error('the plugin is gone'))
      if (plugin.driver === undefined) continue
      log.info({ driver: plugin.driver.name }, 'plugin deregistered')
      track(writeCsiNode().catch((error) => log.warn({ err: error }, 'CSINode could not be written')))
    }
    for (const [socket, identity] of found) {
      if (plugins.has(socket)) continue
      const plugin: Plugin = { identity, stop: new AbortController() }
      plugins.set(socket, plugin)
      track(keepTrying(socket, plugin))
    }
  }

  // A missing event is made up for by the timer.
  const watcher: FSWatcher = watch(directory, scan).on('error', (error) =>
    log.warn({ err: error }, 'cannot watch plugins'),
  )
  const timer = setInterval(scan, scanMs)
  scan()

  return {
    socketOf: (driver) => drivers().find(({ name }) => name === driver)?.endpoint,
    nextRegistration(driver, signal) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter = { driver, resolve }
      const onAbort = () => reject(signal.reason)
      waiting.add(waiter)
      signal.addEventListener('abort', onAbort, { once: true })
      return promise.finally(() => {
        waiting.delete(waiter)
        signal.removeEventListener('abort', onAbort)
      })
    },
    async stop() {
      watcher.close()
      clearInterval(timer)
      for (const plugin of plugins.values()) plugin.stop.abort(new Error('stopped'))
      await Promise.allSettled(tasks)
    },
  }
}

function socketsIn(directory: string): [socket: string, identity: string][] {
  return (existsSync(directory) ? readdirSync(directory) : []).flatMap((name) => {
    const path = join(directory, name)
    const stat = statSync(path, { throwIfNoEntry: false })
    if (name.startsWith('.') || stat?.isSocket() !== true) return []
    // Not ctime, which a change of mode moves.
    return [[path, `${stat.ino}:${stat.mtimeMs}`] as [string, string]]
  })
}

/** Writes which drivers this node has. Creates the object for a node that has none yet. */
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

import { readFileSync } from 'node:fs'
import { arch, cpus, release, totalmem } from 'node:os'
import { isNotFound, type KubeClient, type Node, resources } from '#kubernetes/client'
import { type Clock, type Log, type Running, sleep, timestamp } from '#lib'

/** The Kubernetes version whose kubelet this node agent takes as its example. */
const kubeletVersion = 'v1.34.4-keymount'

/** The store keeps every write: one heartbeat a minute is enough on one machine. */
const heartbeatMs = 60_000

/** Registers the node and keeps its status fresh. */
export async function startNodeObject(options: {
  kube: KubeClient
  nodeName: string
  nodeIP: string
  clock: Clock
  log: Log
}): Promise<Running> {
  const { kube, nodeName, nodeIP, clock, log } = options
  const stopped = new AbortController()
  const { signal } = stopped

  async function post(): Promise<void> {
    const earlier = await registered(kube, nodeName)
    const status = nodeStatus(earlier, { nodeName, nodeIP, now: clock.now() })
    await kube.patch(resources.nodes, { name: nodeName }, { status }, { subresource: 'status' })
  }

  async function beat(): Promise<void> {
    while (!signal.aborted) {
      await sleep(heartbeatMs, { clock, signal })
      await post().catch((error) => log.warn({ err: error }, 'node status could not be written'))
    }
  }

  await post()
  const beating = beat().catch(() => undefined)
  return {
    async stop() {
      stopped.abort(new Error('stopped'))
      await beating
    },
  }
}

async function registered(kube: KubeClient, name: string): Promise<Node> {
  try {
    return await kube.get(resources.nodes, { name })
  } catch (error) {
    if (!isNotFound(error)) throw error
    const labels = {
      'kubernetes.io/hostname': name,
      'kubernetes.io/os': 'linux',
      'kubernetes.io/arch': architecture(),
    }
    return kube.create(resources.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels } })
  }
}

function nodeStatus(
  { status: earlier }: Node,
  { nodeName, nodeIP, now }: { nodeName: string; nodeIP: string; now: number },
): NonNullable<Node['status']> {
  const time = timestamp(now)
  const condition = (type: string, status: 'True' | 'False', reason: string, message: string) => {
    const before = earlier?.conditions?.find((known) => known.type === type)
    const lastTransitionTime = before?.status === status ? (before.lastTransitionTime ?? time) : time
    return { type, status, reason, message, lastHeartbeatTime: time, lastTransitionTime }
  }
  const amounts = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: '110' }
  return {
    conditions: [
      condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
      condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
      condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
      condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
    ],
    addresses: [
      { type: 'InternalIP', address: nodeIP },
      { type: 'Hostname', address: nodeName },
    ],
    capacity: amounts,
    allocatable: amounts,
    nodeInfo: {
      architecture: architecture(),
      bootID: readLine('/proc/sys/kernel/random/boot_id'),
      containerRuntimeVersion: 'keymount://0.2.0',
      kernelVersion: release(),
      kubeProxyVersion: '',
      kubeletVersion,
      machineID: readLine('/etc/machine-id'),
      operatingSystem: 'linux',
      osImage: /^PRETTY_NAME="?([^"\n]*)/m.exec(read('/etc/os-release'))?.[1] ?? 'Linux',
      systemUUID: '',
    },
  }
}

/** Go's name of the processor. */
function architecture(): string {
  const name = arch()
  return name === 'x64' ? 'amd64' : name
}

const readLine = (path: string): string => read(path).trim()

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

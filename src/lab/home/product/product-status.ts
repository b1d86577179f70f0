import { type DaemonSet, isPodReady, type KubeClient, type KubeEvent, type Pod, resources } from '#kubernetes/client'
import { poll } from '#lib/async'
import { createHttpClient } from '#lib/http'
import { CliError } from '#terminal'

export const driverName = 'secrets-store.csi.k8s.io'

/** The selector that upstream's documentation uses. */
const productPods = 'app in (secrets-store-csi-driver,secrets-store-provider-azure)'
export const productNamespace = 'kube-system'

export interface ProductPod {
  namespace: string
  name: string
  app: string
  node: string
  phase: string
  ready: boolean
  restarts: number
  /** Why a container is not running, for example `ImagePullBackOff: …`. */
  problem: string | undefined
}

export interface ProductStatus {
  pods: readonly ProductPod[]
  /** DaemonSets whose pods all have the newest template and are ready. */
  readyDaemonSets: readonly string[]
  /** Nodes on which the driver is registered with kubelet. */
  registeredOn: readonly string[]
}

/** @param namespace of its pods; undefined: all. Default: where the lab installs it. */
export async function productStatus(
  kube: KubeClient,
  { namespace }: { namespace: string | undefined } = { namespace: productNamespace },
): Promise<ProductStatus> {
  const selector = { namespace, labelSelector: productPods }
  const [pods, daemons, nodes] = await Promise.all([
    kube.list(resources.pods, selector),
    kube.list(resources.daemonSets, selector),
    kube.list(resources.csiNodes),
  ])
  return {
    pods: pods.items.filter(({ metadata }) => metadata.deletionTimestamp === undefined).map(productPod),
    readyDaemonSets: daemons.items.filter(isRolledOut).map(({ metadata }) => metadata.name ?? ''),
    registeredOn: nodes.items
      .filter(({ spec }) => spec.drivers?.some(({ name }) => name === driverName))
      .map(({ metadata }) => metadata.name ?? ''),
  }
}

/** Whether both daemons run on every node, and the driver is registered wherever it runs. */
export function isWorking({ pods, readyDaemonSets, registeredOn }: ProductStatus): boolean {
  const drivers = pods.filter(({ app }) => app === 'secrets-store-csi-driver')
  return (
    readyDaemonSets.length === 2 &&
    pods.every(({ ready }) => ready) &&
    drivers.every(({ node }) => registeredOn.includes(node))
  )
}

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/daemon-set-v1/#DaemonSetStatus */
function isRolledOut({ metadata, status = {} }: DaemonSet): boolean {
  const desired = status.desiredNumberScheduled ?? 0
  return (
    status.observedGeneration === metadata.generation &&
    desired !== 0 &&
    status.updatedNumberScheduled === desired &&
    status.numberReady === desired
  )
}

/**
 * Waits until driver and provider work on every node. Throws {@link CliError} with the state of each pod after `timeoutMs`
 * (default 120,000), or at once if a node cannot pull the image.
 */
export async function waitForProduct(
  kube: KubeClient,
  options: { signal: AbortSignal; probes?: readonly URL[] | undefined; timeoutMs?: number | undefined },
): Promise<ProductStatus> {
  const { signal, probes = [], timeoutMs = 120_000 } = options
  const working = async () => {
    const status = await productStatus(kube)
    if (isWorking(status) && (await allAnswer(probes))) return status
    const noImage = status.pods.find(({ problem }) => /^(ErrImage|ImagePull|InvalidImage)/.test(problem ?? ''))
    if (noImage !== undefined) throw imageMissing(noImage)
    return undefined
  }
  const late = async () => {
    throw await notWorking(kube, await productStatus(kube), timeoutMs)
  }
  return poll(working, { everyMs: 50, withinMs: timeoutMs, late, signal })
}

/** The objects of a cluster that has just started are those from before it stopped; probes show the current state. */
async function allAnswer(probes: readonly URL[]): Promise<boolean> {
  const http = createHttpClient({ timeoutMs: 1000 })
  try {
    const answers = await Promise.all(probes.map((url) => http.send({ url })))
    return answers.every(({ status }) => status === 200)
  } catch {
    return false
  } finally {
    http.stop()
  }
}

function productPod(pod: Pod): ProductPod {
  const { metadata, spec, status } = pod
  const containers = status?.containerStatuses ?? []
  const waiting = containers.map(({ state }) => state?.waiting).find((found) => found !== undefined)
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    app: metadata.labels?.app ?? '',
    node: spec.nodeName ?? '',
    phase: status?.phase ?? 'Pending',
    ready: isPodReady(pod),
    restarts: containers.reduce((sum, { restartCount }) => sum + restartCount, 0),
    problem: waiting === undefined ? undefined : [waiting.reason, waiting.message].filter(Boolean).join(': '),
  }
}

function imageMissing({ name, node, problem }: ProductPod): CliError {
  return new CliError({
    what: `Node ${node} cannot pull the image of Keymount`,
    why: `pod ${productNamespace}/${name}: ${problem}`,
    fix: [
      'build it: npm run image',
      'then load it on the nodes: ctr -n k8s.io images import dist/keymount-node.tar (kind load image-archive, docker load)',
      'or name one that the nodes can pull: keymount up --image REFERENCE',
    ],
  })
}

async function notWorking(
  kube: KubeClient,
  { pods, registeredOn }: ProductStatus,
  waitedMs: number,
): Promise<CliError> {
  const lines = pods.map(({ name, phase, ready, problem }) => {
    return `pod ${name}: ${phase}${ready ? ', ready' : ', not ready'}${problem === undefined ? '' : `, ${problem}`}`
  })
  lines.push(`registered with kubelet on: ${registeredOn.join(', ') || 'no node'}`)
  for (const { name } of pods) lines.push(...(await warnings(kube, name)))
  return new CliError({
    what: `Keymount is not working ${waitedMs / 1000} s after it was installed`,
    why: pods.length === 0 ? 'the cluster has started none of its pods' : lines.join('\n'),
    fix: [`see their logs: kubectl -n ${productNamespace} logs -l '${productPods}'`],
  })
}

async function warnings(kube: KubeClient, pod: string): Promise<string[]> {
  const { items } = await kube.list(resources.events, {
    namespace: productNamespace,
    fieldSelector: `involvedObject.name=${pod}`,
  })
  const text = ({ reason, message }: KubeEvent) => `${pod}: ${reason}: ${message}`
  return items.filter(({ type }) => type === 'Warning').map(text)
}

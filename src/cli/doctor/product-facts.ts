import {
  type CsiNode,
  type DaemonSet,
  isPodReady,
  type KubeClient,
  type KubeObject,
  lastLogLine,
  type Node,
  type Pod,
  resources,
  type UntypedObject,
} from '#kubernetes/client'
import { ofProduct, productLabel } from '#lab/home'
import { listOf, valueAt } from '#lib/formats'
import { type Answer, attempt } from '../answer.ts'
import { findObject } from '../cluster/find-object.ts'

/** Keymount on one node. */
export interface NodeFacts {
  name: string
  node: Answer<Node | undefined>
  csiNode: Answer<CsiNode | undefined>
  /** Of driver and provider, on this node. */
  pods: Answer<readonly Pod[]>
  daemonSets: Answer<readonly DaemonSet[]>
  /** Whether it is the node of a pod that is examined, which uses one driver of several. */
  isOfPod?: boolean | undefined
  /** The last line of the log of containers that are not ready, by `POD/CONTAINER`. */
  logs: ReadonlyMap<string, string>
}

/** Upstream's labels, which ours carry too. */
export const driverApp = 'secrets-store-csi-driver'
export const providerApp = 'secrets-store-provider-azure'
const labelSelector = `app in (${driverApp},${providerApp})`

/** What there is of Keymount in the whole cluster. */
export interface ProductFacts {
  pods: Answer<readonly Pod[]>
  daemonSets: Answer<readonly DaemonSet[]>
}

export async function gatherProduct(kube: KubeClient): Promise<ProductFacts> {
  const [pods, daemonSets] = await Promise.all([
    attempt(async () => (await kube.list(resources.pods, { labelSelector })).items.filter(isOfNode)),
    attempt(async () => (await kube.list(resources.daemonSets, { labelSelector })).items),
  ])
  if ('why' in pods || 'why' in daemonSets) return { pods, daemonSets }
  return { pods, daemonSets: { value: besidePods(daemonSets.value, pods.value) } }
}

/**
 * Whether a pod with these labels may be one of driver or provider: they have directories of their node. A user of one namespace can
 * give any pod the labels, and those directories only where no Pod Security level keeps them from every node anyway.
 */
export function isOfNode({ spec }: Pod): boolean {
  const hasDirectory = (listOf(spec.volumes) ?? []).some((volume) => valueAt(volume, 'hostPath') !== undefined)
  return hasDirectory || valueAt(spec, 'securityContext', 'windowsOptions', 'hostProcess') === true
}

export function namespacesOf(pods: readonly Pod[]): ReadonlySet<string | undefined> {
  return new Set(pods.map(({ metadata }) => metadata.namespace))
}

/** The objects that are in a namespace with pods of driver or provider; all where there is none. */
export function besidePods<T extends KubeObject>(objects: readonly T[], pods: readonly Pod[]): readonly T[] {
  const namespaces = namespacesOf(pods)
  const beside = objects.filter(({ metadata }) => namespaces.has(metadata.namespace))
  return beside.length === 0 ? objects : beside
}

/** Deployments of Keymount, beside the pods of driver and provider. */
export async function gatherDeployments(
  kube: KubeClient,
  { pods }: Pick<ProductFacts, 'pods'>,
): Promise<Answer<readonly UntypedObject[]>> {
  return attempt(async () => {
    const { items } = await kube.list(resources.deployments, { labelSelector: productLabel })
    return ofProduct(items, namespacesOf('value' in pods ? pods.value : []))
  })
}

export async function gatherNode(kube: KubeClient, name: string, product?: ProductFacts): Promise<NodeFacts> {
  const [node, csiNode, { pods, daemonSets }] = await Promise.all([
    attempt(() => findObject(kube, resources.nodes, { name })),
    attempt(() => findObject(kube, resources.csiNodes, { name })),
    product ?? gatherProduct(kube),
  ])
  const here = 'why' in pods ? pods : { value: pods.value.filter(({ spec }) => spec.nodeName === name) }
  const logs = 'why' in here ? new Map<string, string>() : await lastLines(kube, here.value)
  return { name, node, csiNode, pods: here, daemonSets, logs }
}

async function lastLines(kube: KubeClient, pods: readonly Pod[]): Promise<ReadonlyMap<string, string>> {
  const failing = pods
    .filter((pod) => !isPodReady(pod))
    .flatMap(({ metadata, status }) =>
      (status?.containerStatuses ?? []).filter(({ ready }) => !ready).map(({ name }) => ({ metadata, name })),
    )
  const found = await Promise.all(
    failing.slice(0, 4).map(async ({ metadata: { namespace = '', name: pod = '' }, name }) => {
      const line = await attempt(() => lastLogLine(kube, { namespace, pod, container: name }))
      return 'why' in line ? [] : [[`${pod}/${name}`, line.value] as const]
    }),
  )
  return new Map(found.flat().filter(([, line]) => line !== ''))
}

import { followInto, type KubeClient, type Pod, resources } from '#kubernetes/client'
import { type Clock, type Log, type Running, sleep } from '#lib'
import { podIdentityNames } from '../names.ts'
import { RequestError } from './request-error.ts'

/** What matters of a pod that asks for a token. */
export interface NodePod {
  name: string
  namespace: string
  labels: Record<string, string>
  serviceAccount: string
  /** Value of the label `aadpodidbinding`; undefined without it. */
  selector: string | undefined
}

export interface NodePods extends Running {
  synced: Promise<void>
  /** The one pod with this address. Throws {@link RequestError}. */
  byAddress(ip: string): Promise<NodePod>
  /** Undefined when there is no such pod on the node, as far as is known. */
  byName(namespace: string, name: string): NodePod | undefined
}

export interface NodePodsOptions {
  kube: KubeClient
  nodeName: string
  clock: Clock
  log: Log
}

interface KnownPod extends NodePod {
  addresses: readonly string[]
}

/** A pod may ask before the watch has told its address. */
const retries = 4
const retryMs = 300

/** The pods of this node with an address of their own, and no others: the API server filters. */
export function followNodePods({ kube, nodeName, clock, log }: NodePodsOptions): NodePods {
  const pods = new Map<string, KnownPod>()
  const fieldSelector = `spec.nodeName=${nodeName}`
  const following = followInto(pods, kube, resources.pods, { fieldSelector, clock, log, keep: knownPod })

  const withAddress = (known: Iterable<KnownPod>, ip: string) =>
    [...known].filter(({ addresses }) => addresses.includes(ip))

  async function live(ip: string): Promise<KnownPod[]> {
    const { items } = await kube.list(resources.pods, { fieldSelector: `${fieldSelector},status.podIP=${ip}` })
    return withAddress(
      items.flatMap((pod) => knownPod(pod) ?? []),
      ip,
    )
  }

  return {
    synced: following.synced,
    stop: following.stop,
    byName: (namespace, name) => pods.get(`${namespace}/${name}`),
    async byAddress(ip) {
      let found = withAddress(pods.values(), ip)
      for (let retry = 1; found.length === 0 && retry <= retries; retry++) {
        await sleep(retryMs, { clock })
        found = withAddress(pods.values(), ip)
      }
      // The watch may be interrupted for long.
      if (found.length === 0) found = await live(ip).catch(() => [])
      const [pod, ...others] = found
      if (pod === undefined) throw new RequestError(500, 'pod list is empty')
      if (others.length > 0) {
        const names = found.map(({ namespace, name }) => `${namespace}/${name}`).join(' ')
        throw new RequestError(500, `failed to match pod IP ${ip} with [${names}]`)
      }
      return pod
    },
  }
}

/** Undefined for a pod that cannot ask: it has ended, or has the address of its node. */
function knownPod({ metadata, spec, status }: Pod): KnownPod | undefined {
  const phase = status?.phase ?? 'Pending'
  if (spec.hostNetwork === true || (phase !== 'Pending' && phase !== 'Running')) return undefined
  const { name = '', namespace = '', labels = {} } = metadata
  return {
    name,
    namespace,
    labels,
    serviceAccount: spec.serviceAccountName ?? '',
    selector: labels[podIdentityNames.podLabel],
    addresses: (status?.podIPs ?? [{ ip: status?.podIP ?? '' }]).map(({ ip }) => ip),
  }
}

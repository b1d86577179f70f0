import { followInto, type KubeClient, type Pod, resources } from '#kubernetes/client'
import { type Clock, type Log, type Running, sleep } from '#lib'
import { createSingleFlight } from '#lib/async'
import { ImdsRefusal } from '#product/imds'
import { podIdentityNames } from '../names.ts'
import { currentObjects, maxSilenceMs } from './current-objects.ts'

/** The fields of a pod that decide about its tokens. */
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
  /** The one pod with this address. Throws `ImdsRefusal`. */
  byAddress(ip: string): Promise<NodePod>
  /** Namespace of the pods with this address, if the watch has reported any. */
  namespaceOf(ip: string): string | undefined
  /** Undefined when the watch has reported no such pod, or is not up to date. */
  byName(namespace: string, name: string): NodePod | undefined
}

export interface NodePodsOptions {
  kube: KubeClient
  nodeName: string
  clock: Clock
  log: Log
}

interface AddressedPod extends NodePod {
  addresses: readonly string[]
}

/** A pod may ask before the watch has reported its address. */
const retries = 4
const retryMs = 300

/** The pods of this node with an address of their own, and no others: the API server filters. */
export function followNodePods({ kube, nodeName, clock, log }: NodePodsOptions): NodePods {
  const pods = new Map<string, AddressedPod>()
  const fieldSelector = `spec.nodeName=${nodeName}`
  const following = followInto(pods, kube, resources.pods, { fieldSelector, clock, log, keep: addressedPod })

  const withAddress = (candidates: Iterable<AddressedPod>, ip: string) =>
    [...candidates].filter(({ addresses }) => addresses.includes(ip))

  async function listWithAddress(ip: string): Promise<AddressedPod[]> {
    const { items } = await kube.list(resources.pods, { fieldSelector: `${fieldSelector},status.podIP=${ip}` })
    return withAddress(
      items.flatMap((pod) => addressedPod(pod) ?? []),
      ip,
    )
  }

  /** Requests of one address at the same time share one call. */
  const joinFlight = createSingleFlight<AddressedPod[]>()
  const list = (ip: string) => joinFlight(ip, () => listWithAddress(ip))

  return {
    synced: following.synced,
    stop: following.stop,
    namespaceOf: (ip) => withAddress(pods.values(), ip)[0]?.namespace,
    byName: (namespace, name) => (following.silentMs() <= maxSilenceMs ? pods.get(`${namespace}/${name}`) : undefined),
    async byAddress(ip) {
      const current = () =>
        currentObjects({ following, watched: () => withAddress(pods.values(), ip), list: () => list(ip), what: 'pods' })
      let found = await current()
      for (let retry = 1; found.length === 0 && retry <= retries; retry++) {
        await sleep(retryMs, { clock })
        found = await current()
      }
      if (found.length === 0) found = await list(ip).catch(() => [])
      return onlyPod(found, ip)
    },
  }
}

function onlyPod(found: readonly AddressedPod[], ip: string): AddressedPod {
  const [pod, ...others] = found
  if (pod === undefined) throw new ImdsRefusal(500, 'internal_error', 'pod list is empty')
  if (others.length === 0) return pod
  const names = found.map(({ namespace, name }) => `${namespace}/${name}`).join(' ')
  throw new ImdsRefusal(500, 'internal_error', `failed to match pod IP ${ip} with [${names}]`)
}

/** Undefined for a pod that cannot request tokens: it has ended, or has the address of its node. */
function addressedPod({ metadata, spec, status }: Pod): AddressedPod | undefined {
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

import { createPodAddresses, networkAddresses, type Routes } from '#lab/router'
import { type Clock, type Log, sleep } from '#lib'
import { createBackoff } from '#lib/async'
import { findHostPrograms, findProgram } from '../kubelet/host-programs.ts'
import { type Forwards, readForwards } from './forwards.ts'
import { type HeldNamespace, holdNamespace, inNetworkOf, ipCommands, type NamespacePrograms } from './hold-namespace.ts'
import type { PodNetwork, PodSandbox } from './pod-network.ts'
import { PodNetworkError } from './pod-network-error.ts'
import { type RouterProcess, startRouter } from './router-process.ts'

export interface PodNetworkOptions {
  /** File with other servers of the machine that pods reach; see `forwards.ts`. */
  forwardsFile: string | undefined
  clock: Clock
  log: Log
}

const bridge = 'pods'
/** Fixed: a bridge without one has the lowest of its ports', which changes under pods that remember it when another pod ends. */
const bridgeHardwareAddress = '0a:58:0a:f4:00:01'

/**
 * The network of a cluster's pods: one network namespace per pod, one for the node, which connects them with a bridge, and one
 * for the router, which connects the node with the machine. Each is held open by a process that dies with this one, and the
 * kernel then removes all links and rules in it: nothing is left on the machine, however this process ends.
 *
 *     pod eth0 ── bridge, node ── router ── this process ── machine
 *
 * Rejects with {@link PodNetworkError} when the machine does not allow that.
 */
export async function startPodNetwork({ forwardsFile, log, clock }: PodNetworkOptions): Promise<PodNetwork> {
  const programs = findNetworkPrograms()
  await using started = new AsyncDisposableStack()
  const node = await holdNamespace(programs, nodeSetup(programs))
  started.defer(() => node.stop())
  const state: State = {
    programs,
    node,
    router: undefined,
    forwards: createForwards(forwardsFile),
    addresses: createPodAddresses(),
    services: { services: {}, names: {} },
    stopped: new AbortController(),
    log,
    clock,
  }
  state.router = await routerOf(state)
  started.defer(() => state.router?.stop() ?? Promise.resolve())
  started.defer(() => state.stopped.abort(new Error('stopped')))
  const running = started.move()
  return {
    sandbox: ({ hostNetwork }) => (hostNetwork ? nodeSandbox(state) : podSandbox(state)),
    async connect(host, port) {
      if (state.router === undefined) throw new Error('the router of the pod network is starting again')
      return state.router.connect(host, port)
    },
    setApiServer(endpoint) {
      state.forwards.setApiServer(endpoint)
      sendRoutes(state)
    },
    setServices(services) {
      state.services = services
      sendRoutes(state)
    },
    stop: () => running.disposeAsync(),
  }
}

interface State {
  programs: NamespacePrograms
  node: HeldNamespace
  /** Undefined while it is started again. */
  router: RouterProcess | undefined
  forwards: ReturnType<typeof createForwards>
  addresses: ReturnType<typeof createPodAddresses>
  services: Pick<Routes, 'services' | 'names'>
  stopped: AbortController
  log: Log
  clock: Clock
}

function routerOf(state: State): Promise<RouterProcess> {
  const { programs, node, forwards, log } = state
  const onEnd = () => {
    state.router = undefined
    restartRouter(state).catch(() => undefined)
  }
  return startRouter({ programs, setup: routerSetup(programs, node), forwards: forwards.current, onEnd, log })
}

/** Its namespace has ended with it, so everything in it is made again. Rejects when the network stops. */
async function restartRouter(state: State): Promise<void> {
  const { clock, log, stopped } = state
  const { signal } = stopped
  const backoff = createBackoff({ initialMs: 100, maxMs: 10_000 })
  for (;;) {
    signal.throwIfAborted()
    try {
      state.router = await routerOf(state)
      break
    } catch (error) {
      log.error({ err: error }, 'the router of the pod network cannot be started')
      await sleep(backoff.next(), { clock, signal })
    }
  }
  if (signal.aborted) await state.router.stop()
  else sendRoutes(state)
}

function findNetworkPrograms(): NamespacePrograms {
  const { setpriv, unshare, nsenter, sh } = findHostPrograms()
  const ip = findProgram('ip')
  if (ip === undefined) throw new PodNetworkError('this machine has no ip(8); install the package iproute2')
  return { setpriv, unshare, nsenter, sh, ip }
}

/** As kube-proxy does, the node lets pods reach servers on its loopback address, to which rules redirect their connections. */
function nodeSetup(programs: NamespacePrograms): string[] {
  const { bridge: address, podPrefix } = networkAddresses
  return [
    'cd /proc/sys/net/ipv4',
    'echo 1 >ip_forward',
    'echo 1 >conf/all/route_localnet',
    ipCommands(programs, [
      'link set dev lo up',
      `link add name ${bridge} address ${bridgeHardwareAddress} type bridge`,
      `address add ${address}/${podPrefix} dev ${bridge}`,
      `link set dev ${bridge} up`,
    ]),
  ]
}

/** To the router, every address is its own, except for those of the pods. */
function routerSetup(programs: NamespacePrograms, { pid }: HeldNamespace): string[] {
  const { node, router, linkPrefix, pods, services, metadata } = networkAddresses
  return [
    ipCommands(programs, [
      'link set dev lo up',
      `link add name node type veth peer name router netns ${pid}`,
      `address add ${router}/${linkPrefix} dev node`,
      'link set dev node up',
      `route add ${pods} via ${node}`,
      `route add local ${services} dev lo`,
      `route add local ${metadata} dev lo`,
      'route add local default dev lo table main',
    ]),
    ipCommands(
      programs,
      [`address add ${node}/${linkPrefix} dev router`, 'link set dev router up', `route add default via ${router}`],
      inNetworkOf(pid, programs),
    ),
  ]
}

function createForwards(forwardsFile: string | undefined) {
  let ofFile: Forwards = {}
  let ofCluster: Forwards = {}
  return {
    current: () => ({ ...ofFile, ...ofCluster }),
    setApiServer(endpoint: string) {
      ofCluster = { [`${networkAddresses.apiServer}:443`]: endpoint }
    },
    refresh() {
      ofFile = forwardsFile === undefined ? {} : readForwards(forwardsFile)
    },
  }
}

/** Ports of the web, on which pods reach every host that the machine reaches. */
const webPorts = [80, 443]

function sendRoutes({ router, forwards, services }: State): void {
  const endpoints = [...Object.keys(services.services), ...Object.keys(forwards.current())]
  const ports = new Set([...webPorts, ...endpoints.map((endpoint) => Number(endpoint.split(':')[1]))])
  router?.setRoutes({ ...services, ports: [...ports] })
}

function podSandbox(state: State): PodSandbox {
  const { programs, node, addresses } = state
  const address = addresses.take()
  let held: HeldNamespace | undefined
  return {
    address,
    async start(signal) {
      state.forwards.refresh()
      sendRoutes(state)
      held = await holdNamespace(programs, podSetup(programs, node, address), signal)
    },
    enter() {
      if (held === undefined) throw new Error('the network of the pod has not been created')
      return inNetworkOf(held.pid, programs)
    },
    async stop() {
      await held?.stop()
      held = undefined
      addresses.release(address)
    },
  }
}

function podSetup(programs: NamespacePrograms, { pid }: HeldNamespace, address: string): string[] {
  const { bridge: gateway, podPrefix } = networkAddresses
  const peer = `pod${address.replaceAll('.', '-').slice('10-244'.length)}`
  return [
    ipCommands(programs, [
      'link set dev lo up',
      `link add name eth0 type veth peer name ${peer} netns ${pid}`,
      `address add ${address}/${podPrefix} dev eth0`,
      'link set dev eth0 up',
      `route add default via ${gateway}`,
    ]),
    ipCommands(programs, [`link set dev ${peer} master ${bridge} up`], inNetworkOf(pid, programs)),
  ]
}

function nodeSandbox({ node, programs }: State): PodSandbox {
  return {
    address: networkAddresses.node,
    start: async () => undefined,
    enter: () => inNetworkOf(node.pid, programs),
    stop: async () => undefined,
  }
}

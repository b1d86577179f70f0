import { createKubeClient, type KubeClient, lead } from '#kubernetes/client'
import type { Log, LogLevel, Problems, Running } from '#lib'
import { type Environment, type FlagSpecs, type FlagValues, klogFlags, type ListenAddress } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import { clusterConfig, kubeconfigFlag } from './cluster-config.ts'
import { buildVersion, versionFlag } from './version.ts'

/** Flags of a controller: a program that works on the whole cluster, in one replica at a time. */
export const controllerFlags = {
  'metrics-bind-address': { type: 'address', default: ':8085', help: 'Address of /metrics; 0 for none' },
  'health-probe-bind-address': {
    type: 'address',
    default: ':8081',
    help: 'Address of /healthz and /readyz; 0 for none',
  },
  'leader-elect': { type: 'boolean', default: false, help: 'Work only while holding the Lease' },
  'leader-election-namespace': { type: 'string', default: '', help: "Namespace of the Lease (default: the pod's)" },
  version: versionFlag,
  v: { type: 'integer', default: 0, help: 'Verbosity of the log: 0 info, 4 debug' },
  ...klogFlags,
  kubeconfig: kubeconfigFlag,
} as const satisfies FlagSpecs

/** What these flags mean. */
export interface ControllerConfig {
  logLevel: LogLevel
  kubeconfig: string
  metricsAddress: ListenAddress | undefined
  healthAddress: ListenAddress | undefined
  /** Undefined: work without one. */
  lease: { namespace: string; name: string; holder: string } | undefined
}

/** The Lease of a controller, and the pod that asks for it. An empty namespace, name or uid: not known. */
export interface ControllerPod {
  lease: string
  namespace: string | undefined
  name: string
  uid: string | undefined
}

export function controllerConfig(
  flags: FlagValues<typeof controllerFlags>,
  { lease, namespace: podNamespace = '', name, uid }: ControllerPod,
  problems: Problems,
): ControllerConfig {
  const namespace = flags['leader-election-namespace'] || podNamespace
  const elects = flags['leader-elect']
  if (elects && namespace === '') problems.add('--leader-election-namespace', 'missing; --leader-elect needs it')
  return {
    logLevel: flags.v >= 4 ? 'debug' : 'info',
    kubeconfig: flags.kubeconfig,
    metricsAddress: flags['metrics-bind-address'],
    healthAddress: flags['health-probe-bind-address'],
    lease: elects ? { namespace, name: lease, holder: `${name}-${uid || process.pid}` } : undefined,
  }
}

export interface ControllerWorld {
  env: Environment
  log: Log
  /** Called when another replica may lead now: this process must end. */
  onLost(): void
}

/** What a controller does. */
export interface ControllerWork {
  /** As in `keymount NAME`. */
  name: string
  /** Text of /metrics. */
  metricsText(): string
  /** Begins the work, with the Lease where there is one. */
  start(kube: KubeClient): Running
}

export interface RunningController extends Running {
  metricsPort: number | undefined
  healthPort: number | undefined
}

/** A controller in the cluster that the command line, KUBECONFIG or the pod names, with its health, its metrics and its Lease. */
export async function startController(
  { kubeconfig, metricsAddress, healthAddress, lease }: ControllerConfig,
  { env, log, onLost }: ControllerWorld,
  { name, metricsText, start }: ControllerWork,
): Promise<RunningController> {
  await using started = new AsyncDisposableStack()
  const kube = createKubeClient(clusterConfig(kubeconfig, env), { userAgent: `keymount/${name}/${buildVersion}` })
  started.defer(kube.close)
  const ok = () => ({ body: 'ok\n' })
  const health = healthAddress && (await serveStatus(healthAddress, { '/healthz': ok, '/readyz': ok }))
  if (health !== undefined) started.defer(health.stop)
  const metrics = metricsAddress && (await serveMetrics(metricsAddress, metricsText))
  if (metrics !== undefined) started.defer(metrics.stop)
  const work = () => start(kube)
  const controller = lease === undefined ? work() : lead({ kube, log, lease, holder: lease.holder, work, onLost })
  started.defer(() => controller.stop())
  const ports = { healthPort: health?.port, metricsPort: metrics?.port }
  log.info(ports, 'ready')
  const running = started.move()
  return { ...ports, stop: () => running.disposeAsync() }
}

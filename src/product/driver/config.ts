import { buildOf, buildVersion, kubeconfigFlag, metricsBackendFlag, versionFlag } from '#daemon'
import type { LogLevel, Problems } from '#lib'
import {
  addressOfPort,
  type Endpoint,
  type Environment,
  type FlagSpecs,
  type FlagValues,
  klogFlags,
  type ListenAddress,
  type Program,
} from '#lib/flags'
import { driverLimits } from './driver-limits.ts'
import { defaultMemoryBudget } from './mount/memory-budget.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const driverFlags = {
  endpoint: {
    type: 'endpoint',
    default: 'unix://tmp/csi.sock',
    help: 'CSI endpoint: unix://PATH or tcp://HOST:PORT',
  },
  drivername: { type: 'string', default: 'secrets-store.csi.k8s.io', help: 'Name of the driver' },
  nodeid: {
    type: 'string',
    default: '',
    required: "the node's name, for example --nodeid=$(KUBE_NODE_NAME)",
    help: 'Name of the node',
  },
  'provider-volume': {
    type: 'string',
    default: '/var/run/secrets-store-csi-providers',
    help: 'Directory of provider sockets, searched last',
  },
  'additional-provider-volume-paths': {
    type: 'strings',
    default: ['/etc/kubernetes/secrets-store-csi-providers'],
    help: 'Directories of provider sockets, searched first; separated by commas',
  },
  'metrics-addr': { type: 'address', default: ':8095', help: 'Address of /metrics; empty or 0 for none' },
  'metrics-backend': metricsBackendFlag,
  'health-addr': {
    type: 'address',
    default: ':9808',
    help: 'Address of /healthz and /readyz; empty or 0 for none',
  },
  'healthz-port': {
    type: 'integer',
    default: -1,
    min: -1,
    max: 65_535,
    help: 'Port of /healthz and /readyz on every interface, instead of --health-addr; -1 uses --health-addr',
  },
  'registration-dir': {
    type: 'string',
    default: '/registration',
    help: "kubelet's plugins_registry directory as this process sees it; empty when a registrar sidecar registers the driver",
  },
  'kubelet-registration-path': {
    type: 'string',
    default: '/var/lib/kubelet/plugins/csi-secrets-store/csi.sock',
    help: 'Path of the CSI socket as kubelet sees it',
  },
  'enable-secret-rotation': { type: 'boolean', default: false, help: 'Update mounted files when the values change' },
  'rotation-poll-interval': {
    type: 'duration',
    default: 120_000,
    min: 1000,
    help: 'Time between two checks of mounted content; a class may set its own with the parameter syncInterval',
  },
  'max-call-recv-msg-size': {
    type: 'integer',
    default: driverLimits.response.value,
    min: 0,
    help: 'Largest response of a provider, in bytes',
  },
  'volume-size-limit': {
    type: 'integer',
    default: 0,
    min: 0,
    help: 'Size limit of one volume, in bytes; 0 for 64 MiB, or four times --max-call-recv-msg-size if that is more',
  },
  'volume-memory-budget': {
    type: 'integer',
    default: 0,
    min: 0,
    help: "Memory for the files of all volumes of the node, in bytes; 0 for half of the container's memory limit, or of the machine's memory without a limit",
  },
  'volume-attributes-win': {
    type: 'boolean',
    default: true,
    help: "A pod's volumeAttributes override parameters of the class with the same name",
  },
  'provider-health-check': {
    type: 'boolean',
    default: false,
    help: 'Ask every provider socket for its version regularly',
  },
  'provider-health-check-interval': {
    type: 'duration',
    default: 120_000,
    min: 1000,
    help: 'Time between two such checks',
  },
  kubeconfig: kubeconfigFlag,
  version: {
    ...versionFlag,
    prints(env: Environment) {
      const { commit, date } = buildOf(env)
      return JSON.stringify({ BuildVersion: buildVersion, GitCommit: commit, BuildDate: date })
    },
  },
  v: { type: 'integer', default: 0, help: 'Verbosity of the log: 0 info, 4 debug, 5 trace' },
  'log-format-json': { type: 'ignored', help: 'Logs are always JSON lines' },
  'enable-pprof': { type: 'ignored', help: 'Profiling of Go programs' },
  'pprof-port': { type: 'ignored', help: 'Profiling of Go programs' },
  'filtered-watch-secret': {
    type: 'ignored',
    help: 'Removed upstream in 1.0; only what is mounted on this node is watched',
  },
  'grpc-supported-providers': { type: 'ignored', help: 'Removed upstream in 1.0; every provider uses gRPC' },
  ...klogFlags,
} as const satisfies FlagSpecs

export interface DriverConfig {
  endpoint: Endpoint
  driverName: string
  nodeId: string
  /** Searched in this order. */
  providerDirectories: readonly string[]
  /** Undefined for none. */
  metricsAddress: ListenAddress | undefined
  healthAddress: ListenAddress | undefined
  /** Undefined: do not register. */
  registration: { directory: string; kubeletPath: string } | undefined
  /** Whether mounted content is kept fresh. */
  rotation: boolean
  /** In milliseconds. */
  rotationIntervalMs: number
  maxReceiveBytes: number
  /** Bound for the files of one volume, and of all volumes. */
  volumeSizeBytes: number
  volumeMemoryBytes: number
  volumeAttributesWin: boolean
  /** Interval of the provider health check in milliseconds; undefined for none. */
  providerHealthCheckMs: number | undefined
  /** Path of a kubeconfig file; empty for KUBECONFIG or the pod's service account. */
  kubeconfig: string
  logLevel: LogLevel
}

export const driverProgram: Program<typeof driverFlags, DriverConfig> = {
  name: 'driver',
  summary: 'The CSI driver of a node: mounts volumes, writes their files, and keeps them up to date.',
  flags: driverFlags,
  configure,
}

function configure(flags: FlagValues<typeof driverFlags>, _env: Environment, problems: Problems): DriverConfig {
  if (!/^[a-zA-Z]([-._a-zA-Z0-9]{0,61}[a-zA-Z])?$/.test(flags.drivername)) {
    problems.unexpected('--drivername', flags.drivername, 'at most 63 letters, digits, "-", "." or "_"')
  }
  const healthPort = flags['healthz-port']
  return {
    endpoint: flags.endpoint,
    driverName: flags.drivername,
    nodeId: flags.nodeid,
    providerDirectories: [...flags['additional-provider-volume-paths'], flags['provider-volume']],
    metricsAddress: flags['metrics-addr'],
    healthAddress: healthPort < 0 ? flags['health-addr'] : addressOfPort(healthPort),
    registration:
      flags['registration-dir'] === ''
        ? undefined
        : { directory: flags['registration-dir'], kubeletPath: flags['kubelet-registration-path'] },
    rotation: flags['enable-secret-rotation'],
    rotationIntervalMs: flags['rotation-poll-interval'],
    maxReceiveBytes: flags['max-call-recv-msg-size'],
    volumeSizeBytes:
      flags['volume-size-limit'] || Math.max(driverLimits.volumeBytes.value, 4 * flags['max-call-recv-msg-size']),
    volumeMemoryBytes: flags['volume-memory-budget'] || defaultMemoryBudget(),
    volumeAttributesWin: flags['volume-attributes-win'],
    providerHealthCheckMs: flags['provider-health-check'] ? flags['provider-health-check-interval'] : undefined,
    kubeconfig: flags.kubeconfig,
    logLevel: flags.v >= 5 ? 'trace' : flags.v >= 4 ? 'debug' : 'info',
  }
}

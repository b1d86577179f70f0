import { type Endpoint, parseEndpoint } from '#kubernetes/csi'
import { type LogLevel, type Problem, ProblemsError } from '#lib'
import {
  type FlagSpecs,
  type FlagValues,
  klogFlags,
  type ListenAddress,
  parseGoFlags,
  parseListenAddress,
} from '#lib/flags'

/** Flags of the driver: those of the field under their names, and ours. The reference documentation is checked against this. */
export const driverFlags = {
  endpoint: { type: 'string', default: 'unix://tmp/csi.sock', help: 'CSI endpoint, unix://PATH or tcp://HOST:PORT' },
  drivername: { type: 'string', default: 'secrets-store.csi.k8s.io', help: 'name of the driver' },
  nodeid: { type: 'string', default: '', help: 'name of the node; required' },
  'provider-volume': {
    type: 'string',
    default: '/var/run/secrets-store-csi-providers',
    help: 'directory of provider sockets, searched last',
  },
  'additional-provider-volume-paths': {
    type: 'strings',
    default: ['/etc/kubernetes/secrets-store-csi-providers'],
    help: 'directories of provider sockets, searched first; separated by commas',
  },
  'metrics-addr': { type: 'string', default: ':8095', help: 'address for metrics (/metrics); empty or 0 for none' },
  'metrics-backend': { type: 'string', default: 'Prometheus', help: 'only Prometheus' },
  'health-addr': {
    type: 'string',
    default: ':9808',
    help: 'address for health (/healthz, /readyz); empty or 0 for none',
  },
  'healthz-port': {
    type: 'integer',
    default: -1,
    help: 'port of health on every interface; another way to say --health-addr',
  },
  'registration-dir': {
    type: 'string',
    default: '/registration',
    help: "kubelet's plugins_registry directory as seen from here; where there is none, somebody else registers the driver",
  },
  'kubelet-registration-path': {
    type: 'string',
    default: '/var/lib/kubelet/plugins/csi-secrets-store/csi.sock',
    help: 'path of the CSI socket as kubelet sees it',
  },
  'enable-secret-rotation': { type: 'boolean', default: false, help: 'keep the content of mounted volumes fresh' },
  'rotation-poll-interval': {
    type: 'duration',
    default: 120_000,
    help: 'how often mounted content is checked; a class may set its own with the parameter syncInterval',
  },
  'max-call-recv-msg-size': {
    type: 'integer',
    default: 4 * 1024 * 1024,
    help: 'largest answer of a provider, in bytes',
  },
  'volume-size-limit': {
    type: 'integer',
    default: 0,
    help: 'most bytes of memory that one volume may take; 0 for 64 MiB, or four of the largest answers if that is more',
  },
  'volume-attributes-win': {
    type: 'boolean',
    default: true,
    help: "whether a pod's volumeAttributes override equally named parameters of the class",
  },
  'provider-health-check': {
    type: 'boolean',
    default: false,
    help: 'ask every provider socket for its version regularly',
  },
  'provider-health-check-interval': { type: 'duration', default: 120_000, help: 'how often' },
  kubeconfig: {
    type: 'string',
    default: '',
    help: 'kubeconfig file; default: KUBECONFIG, then the service account of the pod',
  },
  version: { type: 'boolean', default: false, help: 'print the version as JSON and exit' },
  v: { type: 'integer', default: 0, help: 'verbosity: 0 info, 4 debug, 5 trace' },
  'log-format-json': { type: 'ignored', help: 'logs are always JSON' },
  'enable-pprof': { type: 'ignored', help: 'profiling of Go programs' },
  'pprof-port': { type: 'ignored', help: 'profiling of Go programs' },
  'filtered-watch-secret': {
    type: 'ignored',
    help: 'removed from the field in 1.0; nothing is watched that is not mounted here',
  },
  'grpc-supported-providers': { type: 'ignored', help: 'removed from the field in 1.0; every provider speaks gRPC' },
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
  volumeSizeBytes: number
  volumeAttributesWin: boolean
  /** Interval of the provider health check in milliseconds; undefined for none. */
  providerHealthCheckMs: number | undefined
  kubeconfig: string | undefined
  logLevel: LogLevel
  printVersion: boolean
}

const mebibyte = 1024 * 1024

/** Reads the command line. Throws {@link ProblemsError} with everything that is wrong with it. */
export function driverConfig(argv: readonly string[]): DriverConfig {
  const flags = parseGoFlags('driver', driverFlags, argv)
  const problems: Problem[] = []
  const endpoint = parseEndpoint(flags.endpoint)
  if (endpoint === undefined)
    problems.push({ path: '--endpoint', message: `found "${flags.endpoint}", expected unix://PATH or tcp://HOST:PORT` })
  if (flags.nodeid === '' && !flags.version)
    problems.push({
      path: '--nodeid',
      message: "missing: give the node's name, for example --nodeid=$(KUBE_NODE_NAME)",
    })
  if (!/^[a-zA-Z]([-._a-zA-Z0-9]{0,61}[a-zA-Z])?$/.test(flags.drivername))
    problems.push({
      path: '--drivername',
      message: `found "${flags.drivername}", expected at most 63 letters, digits, "-", "." or "_"`,
    })
  if (flags['metrics-backend'].toLowerCase() !== 'prometheus')
    problems.push({ path: '--metrics-backend', message: `found "${flags['metrics-backend']}", expected Prometheus` })
  for (const name of ['rotation-poll-interval', 'provider-health-check-interval'] as const) {
    if (flags[name] < 1000)
      problems.push({ path: `--${name}`, message: `found ${flags[name]} ms, expected 1s or more` })
  }
  for (const name of ['max-call-recv-msg-size', 'volume-size-limit'] as const) {
    if (flags[name] < 0)
      problems.push({ path: `--${name}`, message: `found ${flags[name]}, expected a number of bytes` })
  }
  const metricsAddress = listenAddress(flags, 'metrics-addr', problems)
  const healthPort = flags['healthz-port']
  if (healthPort > 65535) problems.push({ path: '--healthz-port', message: `found ${healthPort}, expected 0 to 65535` })
  const healthAddress =
    healthPort < 0
      ? listenAddress(flags, 'health-addr', problems)
      : healthPort === 0
        ? undefined
        : { host: undefined, port: healthPort }
  if (problems.length > 0 || endpoint === undefined) throw new ProblemsError('driver', problems)
  return {
    endpoint,
    driverName: flags.drivername,
    nodeId: flags.nodeid,
    providerDirectories: [...flags['additional-provider-volume-paths'], flags['provider-volume']],
    metricsAddress,
    healthAddress,
    registration:
      flags['registration-dir'] === ''
        ? undefined
        : { directory: flags['registration-dir'], kubeletPath: flags['kubelet-registration-path'] },
    rotation: flags['enable-secret-rotation'],
    rotationIntervalMs: flags['rotation-poll-interval'],
    maxReceiveBytes: flags['max-call-recv-msg-size'],
    volumeSizeBytes: flags['volume-size-limit'] || Math.max(64 * mebibyte, 4 * flags['max-call-recv-msg-size']),
    volumeAttributesWin: flags['volume-attributes-win'],
    providerHealthCheckMs: flags['provider-health-check'] ? flags['provider-health-check-interval'] : undefined,
    kubeconfig: flags.kubeconfig === '' ? undefined : flags.kubeconfig,
    logLevel: flags.v >= 5 ? 'trace' : flags.v >= 4 ? 'debug' : 'info',
    printVersion: flags.version,
  }
}

function listenAddress(
  flags: FlagValues<typeof driverFlags>,
  name: 'metrics-addr' | 'health-addr',
  problems: Problem[],
): ListenAddress | undefined {
  const address = parseListenAddress(flags[name])
  if (address === undefined)
    problems.push({ path: `--${name}`, message: `found "${flags[name]}", expected HOST:PORT or :PORT` })
  return address ?? undefined
}

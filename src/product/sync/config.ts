import { buildOf, buildVersion, kubeconfigFlag } from '#daemon'
import type { LogLevel } from '#lib'
import { type FlagSpecs, klogFlags, type ListenAddress, type Program } from '#lib/flags'
import type { SyncConfig } from './start-sync.ts'

/** Upstream's flags with upstream's defaults (but for the interval), then ours. `docs/configuration.md` is checked against this. */
export const syncFlags = {
  'provider-volume': {
    type: 'strings',
    default: ['/provider'],
    help: 'Directories of provider sockets, in the order in which they are searched',
  },
  'token-request-audience': {
    type: 'strings',
    default: ['api://AzureADTokenExchange'],
    help: 'Audiences of the service account tokens that providers get, separated by commas',
  },
  'rotation-poll-interval': {
    type: 'duration',
    default: 120_000,
    help: 'Time between two checks of a SecretSync; a class may set its own with the parameter syncInterval. 0s: no polling',
  },
  'max-call-recv-msg-size': {
    type: 'integer',
    default: 4 * 1024 * 1024,
    min: 0,
    help: 'Largest response of a provider, in bytes',
  },
  'metrics-bind-address': { type: 'address', default: ':8085', help: 'Address of /metrics; 0 for none' },
  'health-probe-bind-address': {
    type: 'address',
    default: ':8081',
    help: 'Address of /healthz and /readyz; 0 for none',
  },
  'leader-elect': { type: 'boolean', default: false, help: 'Work only while holding the Lease' },
  'leader-election-namespace': { type: 'string', default: '', help: "Namespace of the Lease (default: the pod's)" },
  version: { type: 'boolean', default: false, help: 'Print the version as JSON, and exit' },
  v: { type: 'integer', default: 0, help: 'Verbosity of the log: 0 info, 4 debug' },
  ...klogFlags,

  'controller-name': {
    type: 'string',
    default: 'secrets-store-sync-controller',
    help: 'SecretSyncs that name another controller are left alone',
  },
  namespaces: { type: 'strings', default: [], help: 'Only SecretSyncs of these namespaces (default: all)' },
  'namespace-selector': {
    type: 'string',
    default: '',
    help: 'Only SecretSyncs of namespaces with these labels, as a label selector (default: all)',
  },
  'sync-classes': {
    type: 'boolean',
    default: false,
    help: 'Also make the Secrets of secretObjects of classes that name a service account for it, where that account consents',
  },
  workers: { type: 'integer', default: 8, min: 1, max: 100, help: 'SecretSyncs that are checked at once' },
  kubeconfig: kubeconfigFlag,
} as const satisfies FlagSpecs

const leaseName = 'secrets-store-sync-controller'

export interface SyncProgramConfig extends SyncConfig {
  logLevel: LogLevel
  kubeconfig: string
  metricsAddress: ListenAddress | undefined
  healthAddress: ListenAddress | undefined
  /** Undefined: work without one. */
  lease: { namespace: string; name: string; holder: string } | undefined
}

export const syncProgram: Program<typeof syncFlags, SyncProgramConfig> = {
  name: 'sync',
  summary: 'The controller of SecretSyncs: Kubernetes Secrets from a vault, without a pod that mounts them.',
  flags: syncFlags,
  version: (env) => JSON.stringify({ buildVersion, gitCommit: buildOf(env).commit, buildDate: buildOf(env).date }),
  configure(flags, env, problems) {
    const interval = flags['rotation-poll-interval']
    if (interval > 0 && interval < 1000) problems.add('--rotation-poll-interval', 'expected 0s, or 1s or more')
    const namespace = flags['leader-election-namespace'] || env.SYNC_CONTROLLER_POD_NAMESPACE || ''
    if (flags['leader-elect'] && namespace === '')
      problems.add('--leader-election-namespace', 'missing; --leader-elect needs it')
    if (flags.namespaces.length > 0 && flags['namespace-selector'] !== '')
      problems.add('--namespace-selector', 'not together with --namespaces')
    // Providers refuse a request without the name of a pod.
    const pod = { name: env.SYNC_CONTROLLER_POD_NAME || leaseName, uid: env.SYNC_CONTROLLER_POD_UID ?? '' }
    return {
      logLevel: flags.v >= 4 ? 'debug' : 'info',
      kubeconfig: flags.kubeconfig,
      metricsAddress: flags['metrics-bind-address'],
      healthAddress: flags['health-probe-bind-address'],
      lease: flags['leader-elect']
        ? {
            namespace,
            name: leaseName,
            holder: `${pod.name}-${pod.uid || process.pid}`,
          }
        : undefined,
      providerDirectories: flags['provider-volume'],
      maxReceiveBytes: flags['max-call-recv-msg-size'],
      audiences: flags['token-request-audience'],
      intervalMs: interval,
      namespaces: flags.namespaces,
      namespaceSelector: flags['namespace-selector'],
      syncClasses: flags['sync-classes'],
      controllerName: flags['controller-name'],
      workers: flags.workers,
      pod,
    }
  },
}

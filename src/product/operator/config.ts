import { buildOf, buildVersion, kubeconfigFlag } from '#daemon'
import type { LogLevel } from '#lib'
import { type FlagSpecs, klogFlags, type ListenAddress, type Program } from '#lib/flags'
import type { RestartConfig } from './restart/restarter.ts'

/** `docs/configuration.md` is checked against this. */
export const operatorFlags = {
  restart: {
    type: 'boolean',
    default: false,
    help: 'Restart workloads whose pods started with older versions of secrets than are mounted now, where their annotations ask for it',
  },
  'restart-max-per-minute': {
    type: 'integer',
    default: 20,
    min: 1,
    max: 100_000,
    help: 'Restarts in a minute, cluster-wide; one namespace gets at most half',
  },
  'restart-burst': {
    type: 'integer',
    default: 10,
    min: 1,
    max: 100_000,
    help: 'Restarts at once after a quiet time; one namespace gets at most half',
  },
  'restart-min-interval': {
    type: 'duration',
    default: 300_000,
    min: 0,
    help: 'Time between two restarts of a workload that does not have its own (keymount.dev/restart-min-interval)',
  },
  'restart-agree-timeout': {
    type: 'duration',
    default: 0,
    min: 0,
    help: 'How long a restart waits for all pods to have the same versions. 0s: twice the interval of the class and 30 s',
  },
  'restart-dry-run': {
    type: 'boolean',
    default: false,
    help: 'Write events of what would be restarted, and restart nothing',
  },
  'restart-guess': {
    type: 'boolean',
    default: false,
    help: 'With drivers that do not record what a pod started with: guess it from times',
  },
  'restart-reloader-annotations': {
    type: 'boolean',
    default: false,
    help: 'Also obey the annotations of stakater/Reloader about classes. Not while Reloader runs: both would restart',
  },
  'rotation-poll-interval': {
    type: 'duration',
    default: 120_000,
    min: 1000,
    help: "The drivers' rotation interval, for classes without the parameter syncInterval",
  },
  namespaces: { type: 'strings', default: [], help: 'Only workloads of these namespaces (default: all)' },
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
  kubeconfig: kubeconfigFlag,
} as const satisfies FlagSpecs

export interface OperatorConfig {
  logLevel: LogLevel
  kubeconfig: string
  metricsAddress: ListenAddress | undefined
  healthAddress: ListenAddress | undefined
  /** Undefined: work without one. */
  lease: { namespace: string; name: string; holder: string } | undefined
  /** Undefined: this part is off. */
  restart: RestartConfig | undefined
}

export const operatorProgram: Program<typeof operatorFlags, OperatorConfig> = {
  name: 'operator',
  summary:
    'The operator: what acts on the whole cluster, part by part. It holds no value of a secret and cannot read any.',
  flags: operatorFlags,
  version: (env) => JSON.stringify({ buildVersion, gitCommit: buildOf(env).commit, buildDate: buildOf(env).date }),
  configure(flags, env, problems) {
    const namespace = flags['leader-election-namespace'] || env.OPERATOR_POD_NAMESPACE || ''
    if (flags['leader-elect'] && namespace === '')
      problems.add('--leader-election-namespace', 'missing; --leader-elect needs it')
    if (!flags.restart) problems.add('--restart', 'no part of the operator is on; set --restart')
    const agreeTimeoutMs = flags['restart-agree-timeout']
    return {
      logLevel: flags.v >= 4 ? 'debug' : 'info',
      kubeconfig: flags.kubeconfig,
      metricsAddress: flags['metrics-bind-address'],
      healthAddress: flags['health-probe-bind-address'],
      lease: flags['leader-elect']
        ? {
            namespace,
            name: 'keymount-operator',
            holder: `${env.OPERATOR_POD_NAME || 'operator'}-${env.OPERATOR_POD_UID || process.pid}`,
          }
        : undefined,
      restart: flags.restart
        ? {
            namespaces: flags.namespaces,
            maxPerMinute: flags['restart-max-per-minute'],
            burst: flags['restart-burst'],
            minIntervalMs: flags['restart-min-interval'],
            dryRun: flags['restart-dry-run'],
            guess: flags['restart-guess'],
            reloaderAnnotations: flags['restart-reloader-annotations'],
            rotationIntervalMs: flags['rotation-poll-interval'],
            agreeTimeoutMs: agreeTimeoutMs === 0 ? undefined : agreeTimeoutMs,
          }
        : undefined,
    }
  },
}

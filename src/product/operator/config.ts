import { type ControllerConfig, controllerConfig, controllerFlags } from '#daemon'
import type { Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { type EventsConfig, eventsConfig, eventsFlags } from './events/events-config.ts'
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
  ...eventsFlags,
  'status-interval': {
    type: 'boolean',
    default: false,
    help: 'Adapt how often drivers write the times of checks that changed nothing to the number of volumes in the cluster',
  },
  drivername: {
    type: 'string',
    default: 'secrets-store.csi.k8s.io',
    help: 'Name of the driver, for --status-interval and --events-quiet-poll-interval',
  },
  ...controllerFlags,
} as const satisfies FlagSpecs

export interface OperatorConfig extends ControllerConfig {
  /** Undefined: this part is off. */
  restart: RestartConfig | undefined
  /** Undefined: this part is off. */
  events: EventsConfig | undefined
  /** Name of the CSIDriver object whose interval of status writes is adapted. Undefined: this part is off. */
  statusIntervalOf: string | undefined
  /** Name of the CSIDriver object. */
  driverName: string
  pod: { namespace: string; name: string; uid: string | undefined }
}

export const operatorProgram: Program<typeof operatorFlags, OperatorConfig> = {
  name: 'operator',
  summary:
    'The operator: what acts on the whole cluster, part by part. It holds no value of a secret and cannot read any.',
  flags: operatorFlags,
  configure,
}

function configure(flags: FlagValues<typeof operatorFlags>, env: Environment, problems: Problems): OperatorConfig {
  if (!flags.restart && !flags.events && !flags['status-interval'])
    problems.add('', 'no part of the operator is on; set --restart, --events or --status-interval')
  const pod = {
    namespace: env.OPERATOR_POD_NAMESPACE || 'default',
    name: env.OPERATOR_POD_NAME || 'operator',
    uid: env.OPERATOR_POD_UID,
  }
  const lease = { ...pod, lease: 'keymount-operator', namespace: env.OPERATOR_POD_NAMESPACE }
  const agreeTimeoutMs = flags['restart-agree-timeout']
  return {
    ...controllerConfig(flags, lease, problems),
    pod,
    events: eventsConfig(flags, env, problems),
    driverName: flags.drivername,
    statusIntervalOf: flags['status-interval'] ? flags.drivername : undefined,
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
}

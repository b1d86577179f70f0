import { hostname } from 'node:os'
import { type LogLevel, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, klogFlags, parseGoFlags } from '#lib/flags'
import type { MicConfig } from './start-mic.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const micFlags = {
  cloudconfig: {
    type: 'string',
    default: '',
    help: "Cloud provider's azure.json (default: CLOUD, TENANT_ID, CLIENT_ID, … of the environment)",
  },
  forceNamespaced: {
    type: 'boolean',
    default: false,
    help: 'Identities only for pods of their own namespace (also FORCENAMESPACED=true)',
  },
  syncRetryDuration: { type: 'duration', default: 3_600_000, help: 'Longest time between two looks at everything' },
  createDeleteBatch: {
    type: 'integer',
    default: 20,
    help: 'Writes to the API server in flight for one machine or scale set',
  },
  'identity-assignment-reconcile-interval': {
    type: 'duration',
    default: 180_000,
    help: 'How often machines are given back identities that somebody took from them',
  },
  'immutable-user-msis': {
    type: 'strings',
    default: [],
    help: 'Client ids of identities that machines keep whatever happens, separated by commas',
  },
  'update-user-msi-max-retry': {
    type: 'integer',
    default: 2,
    help: 'How often an update is tried again without the identities that Azure refused',
  },
  'update-user-msi-retry-interval': { type: 'duration', default: 1000, help: 'Wait before that' },
  'leader-election-instance': { type: 'string', default: '', help: 'Name of this replica (default: the host name)' },
  'leader-election-namespace': { type: 'string', default: 'default', help: 'Namespace of the Lease' },
  'leader-election-name': { type: 'string', default: 'aad-pod-identity-mic', help: 'Name of the Lease' },
  'leader-election-duration': { type: 'duration', default: 15_000, help: 'How long a silent leader stays one' },
  'http-probe-port': { type: 'integer', default: 8080, help: 'Port of /healthz on every interface' },
  'prometheus-port': { type: 'integer', default: 8888, help: 'Port of /metrics on every interface' },
  kubeconfig: { type: 'string', default: '', help: "Cluster to serve (default KUBECONFIG, then the pod's own)" },
  version: { type: 'boolean', default: false, help: 'Print the version, and exit' },
  v: { type: 'integer', default: 0, help: 'Verbosity: 0 what matters, 5 each call' },
  'imds-endpoint': {
    type: 'string',
    default: 'http://169.254.169.254',
    help: 'Where the managed identity of the controller gets its tokens',
  },
  clientQps: { type: 'ignored', help: 'createDeleteBatch bounds what is in flight' },
  'config-map-name': { type: 'ignored', help: 'objects of releases before 1.6 are not rewritten' },
  'type-upgrade-status-key': { type: 'ignored', help: 'objects of releases before 1.6 are not rewritten' },
  'enable-type-upgrade': { type: 'ignored', help: 'objects of releases before 1.6 are not rewritten' },
  enableProfile: { type: 'ignored', help: 'profiling of Go programs' },
  enableScaleFeatures: { type: 'ignored', help: 'always so' },
  'log-format': { type: 'ignored', help: 'logs are always JSON' },
  'custom-user-agent': { type: 'ignored', help: 'Azure is not told' },
  ...klogFlags,
} as const satisfies FlagSpecs

export type MicCommand =
  | { kind: 'version' }
  | {
      kind: 'serve'
      kubeconfig: string
      logLevel: LogLevel
      /** Empty: the environment has it. */
      cloudConfigFile: string
      /** File of a cloud of its own. */
      customCloudFile: string
      imdsEndpoint: string
      mic: MicConfig
    }

/** Command line and environment as one typed configuration. Throws {@link ProblemsError} with everything that is wrong. */
export function micConfig(argv: readonly string[], env: NodeJS.ProcessEnv): MicCommand {
  const flags = parseGoFlags('mic', micFlags, argv)
  if (flags.version) return { kind: 'version' }
  const problems: Problem[] = []
  if (flags.createDeleteBatch < 1) problems.push({ path: '--createDeleteBatch', message: 'expected 1 or more' })
  if (flags['leader-election-duration'] < 1000) {
    problems.push({ path: '--leader-election-duration', message: 'expected 1s or more' })
  }
  if (problems.length > 0) throw new ProblemsError('mic', problems)
  return {
    kind: 'serve',
    kubeconfig: flags.kubeconfig || (env['KUBECONFIG'] ?? ''),
    logLevel: flags.v >= 5 ? 'debug' : 'info',
    cloudConfigFile: flags.cloudconfig,
    customCloudFile: env['AZURE_ENVIRONMENT_FILEPATH'] ?? '',
    imdsEndpoint: flags['imds-endpoint'],
    mic: {
      healthAddress: { host: undefined, port: flags['http-probe-port'] },
      metricsAddress: { host: undefined, port: flags['prometheus-port'] },
      lease: { namespace: flags['leader-election-namespace'], name: flags['leader-election-name'] },
      leaseDurationMs: flags['leader-election-duration'],
      instance: flags['leader-election-instance'] || hostname(),
      forceNamespaced: flags.forceNamespaced || env['FORCENAMESPACED'] === 'true',
      immutableClientIds: flags['immutable-user-msis'],
      createDeleteBatch: flags.createDeleteBatch,
      syncRetryMs: flags.syncRetryDuration,
      reconcileMs: flags['identity-assignment-reconcile-interval'],
      updateMaxRetry: flags['update-user-msi-max-retry'],
      updateRetryMs: flags['update-user-msi-retry-interval'],
    },
  }
}

import { hostname } from 'node:os'
import { kubeconfigFlag } from '#daemon'
import type { LogLevel } from '#lib'
import type { FlagSpecs, Program } from '#lib/flags'
import { initialObjectsFlag } from '../initial-objects.ts'
import { podIdentityVersionFlag, upstreamFlags } from '../upstream-flags.ts'
import type { MicConfig } from './start-mic.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const micFlags = {
  cloudconfig: {
    type: 'string',
    default: '',
    help: "Cloud provider's azure.json (default: CLOUD, TENANT_ID, CLIENT_ID and so on of the environment)",
  },
  forceNamespaced: {
    type: 'boolean',
    default: false,
    help: 'Identities only for pods of their own namespace (also FORCENAMESPACED=true)',
  },
  syncRetryDuration: { type: 'duration', default: 3_600_000, help: 'Longest time between two full reconciliations' },
  createDeleteBatch: {
    type: 'integer',
    default: 20,
    min: 1,
    help: 'Concurrent writes to the API server for one machine or scale set',
  },
  'identity-assignment-reconcile-interval': {
    type: 'duration',
    default: 180_000,
    help: 'Time between two checks that machines still have their identities',
  },
  'immutable-user-msis': {
    type: 'strings',
    default: [],
    help: 'Client ids of identities that are never removed from machines, separated by commas',
  },
  'update-user-msi-max-retry': {
    type: 'integer',
    default: 2,
    help: 'Number of retries of an update without the identities that Azure refused',
  },
  'update-user-msi-retry-interval': { type: 'duration', default: 1000, help: 'Wait before each of these retries' },
  'leader-election-instance': { type: 'string', default: '', help: 'Name of this replica (default: the host name)' },
  'leader-election-namespace': { type: 'string', default: 'default', help: 'Namespace of the Lease' },
  'leader-election-name': { type: 'string', default: 'aad-pod-identity-mic', help: 'Name of the Lease' },
  'leader-election-duration': {
    type: 'duration',
    default: 15_000,
    min: 1000,
    help: 'How long the Lease of a leader that does not renew it is valid',
  },
  'http-probe-port': { type: 'port', default: 8080, help: 'Port of /healthz on every interface' },
  'prometheus-port': { type: 'port', default: 8888, help: 'Port of /metrics on every interface' },
  kubeconfig: kubeconfigFlag,
  version: podIdentityVersionFlag,
  v: { type: 'integer', default: 0, help: 'Verbosity of the log: 0 changes and errors, 5 each call' },
  'imds-endpoint': {
    type: 'string',
    default: 'http://169.254.169.254',
    help: 'Instance metadata service, for the managed identity of the controller',
  },
  'initial-objects': initialObjectsFlag,
  clientQps: { type: 'ignored', help: 'createDeleteBatch limits concurrent writes' },
  'config-map-name': { type: 'ignored', help: 'Objects of releases before 1.6 are not rewritten' },
  'type-upgrade-status-key': { type: 'ignored', help: 'Objects of releases before 1.6 are not rewritten' },
  'enable-type-upgrade': { type: 'ignored', help: 'Objects of releases before 1.6 are not rewritten' },
  enableScaleFeatures: { type: 'ignored', help: 'Always on' },
  ...upstreamFlags,
} as const satisfies FlagSpecs

export interface MicProgramConfig {
  logLevel: LogLevel
  kubeconfig: string
  /** Path of azure.json; empty: the environment has its values. */
  cloudConfigFile: string
  /** File that describes a custom cloud; empty for none. */
  customCloudFile: string
  imdsEndpoint: string
  /** See `startInitialObjects`; empty for none. */
  initialObjectsFile: string
  mic: MicConfig
}

export const micProgram: Program<typeof micFlags, MicProgramConfig> = {
  name: 'mic',
  summary: 'The controller of AAD Pod Identity: assigns identities to the machines whose pods use them.',
  flags: micFlags,
  configure: (flags, env) => ({
    logLevel: flags.v >= 5 ? 'debug' : 'info',
    kubeconfig: flags.kubeconfig,
    cloudConfigFile: flags.cloudconfig,
    customCloudFile: env.AZURE_ENVIRONMENT_FILEPATH ?? '',
    imdsEndpoint: flags['imds-endpoint'],
    initialObjectsFile: flags['initial-objects'],
    mic: {
      healthAddress: { host: undefined, port: flags['http-probe-port'] },
      metricsAddress: { host: undefined, port: flags['prometheus-port'] },
      lease: { namespace: flags['leader-election-namespace'], name: flags['leader-election-name'] },
      leaseDurationMs: flags['leader-election-duration'],
      instance: flags['leader-election-instance'] || hostname(),
      forceNamespaced: flags.forceNamespaced || env.FORCENAMESPACED === 'true',
      immutableClientIds: flags['immutable-user-msis'],
      createDeleteBatch: flags.createDeleteBatch,
      syncRetryMs: flags.syncRetryDuration,
      reconcileMs: flags['identity-assignment-reconcile-interval'],
      updateMaxRetry: flags['update-user-msi-max-retry'],
      updateRetryMs: flags['update-user-msi-retry-interval'],
    },
  }),
}

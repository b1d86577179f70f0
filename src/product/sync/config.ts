import { type ControllerConfig, controllerConfig, controllerFlags } from '#daemon'
import type { Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
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
  ...controllerFlags,
} as const satisfies FlagSpecs

const leaseName = 'secrets-store-sync-controller'

export interface SyncProgramConfig extends SyncConfig, ControllerConfig {}

export const syncProgram: Program<typeof syncFlags, SyncProgramConfig> = {
  name: 'sync',
  summary: 'The controller of SecretSyncs: Kubernetes Secrets from a vault, without a pod that mounts them.',
  flags: syncFlags,
  configure,
}

function configure(flags: FlagValues<typeof syncFlags>, env: Environment, problems: Problems): SyncProgramConfig {
  const interval = flags['rotation-poll-interval']
  if (interval > 0 && interval < 1000) problems.add('--rotation-poll-interval', 'expected 0s, or 1s or more')
  if (flags.namespaces.length > 0 && flags['namespace-selector'] !== '')
    problems.add('--namespace-selector', 'not together with --namespaces')
  // Providers refuse a request without the name of a pod.
  const pod = { name: env.SYNC_CONTROLLER_POD_NAME || leaseName, uid: env.SYNC_CONTROLLER_POD_UID ?? '' }
  return {
    ...controllerConfig(flags, { ...pod, lease: leaseName, namespace: env.SYNC_CONTROLLER_POD_NAMESPACE }, problems),
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
}

import { hostname } from 'node:os'
import { kubeconfigFlag } from '#daemon'
import type { LogLevel, Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { isImdsEndpoint } from '#product/imds'
import { initialObjectsFlag } from '../initial-objects.ts'
import { podIdentityVersionFlag, upstreamFlags } from '../upstream-flags.ts'
import { normalizeAuthority } from './identity-tokens.ts'
import type { NmiConfig } from './start-nmi.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const nmiFlags = {
  'nmi-listen-address': { type: 'string', default: '127.0.0.1', help: 'IP address to listen on for requests of pods' },
  'nmi-port': { type: 'port', default: 2579, help: 'Port of --nmi-listen-address' },
  'metadata-ip': {
    type: 'string',
    default: '169.254.169.254',
    help: 'IP address of IMDS, whose traffic is redirected',
  },
  'metadata-port': { type: 'port', default: 80, help: 'Port of --metadata-ip' },
  node: { type: 'string', default: '', help: 'Name of the node (default: the host name)' },
  'ipt-update-interval-sec': {
    type: 'integer',
    default: 60,
    min: 1,
    help: 'Seconds between two checks of the redirection rules',
  },
  forceNamespaced: {
    type: 'boolean',
    default: false,
    help: 'Identities only for pods of their own namespace (also FORCENAMESPACED=true)',
  },
  MICNamespace: { type: 'string', default: 'default', help: 'Namespace of the controller' },
  'http-probe-port': { type: 'port', default: 8080, help: 'Port of /healthz on every interface' },
  'prometheus-port': { type: 'port', default: 9090, help: 'Port of /metrics on every interface' },
  'retry-attempts-for-created': {
    type: 'integer',
    default: 16,
    help: 'Number of retries while waiting for the AzureAssignedIdentity',
  },
  'retry-attempts-for-assigned': {
    type: 'integer',
    default: 4,
    help: 'Number of further retries while waiting for its state Assigned',
  },
  'find-identity-retry-interval': { type: 'integer', default: 5, min: 0, help: 'Seconds between these retries' },
  'block-instance-metadata': { type: 'boolean', default: false, help: 'Keep /metadata/instance from pods' },
  'metadata-header-required': {
    type: 'boolean',
    default: true,
    help: 'Refuse requests without the header Metadata: true, as IMDS does',
  },
  'operation-mode': {
    type: 'choice',
    values: ['standard', 'managed'],
    default: 'standard',
    help: 'managed works without a controller and needs --forceNamespaced',
  },
  'set-retry-after-header': {
    type: 'boolean',
    default: false,
    help: 'Answer 503 with Retry-After instead of 404 while the identity is being assigned',
  },
  'allow-network-plugin-kubenet': {
    type: 'boolean',
    default: false,
    help: 'Start on a node with kubenet, where a pod with NET_RAW can take the identity of another',
  },
  'kubelet-config': {
    type: 'string',
    default: '/etc/default/kubelet',
    help: "File with kubelet's command line, which is checked for kubenet",
  },
  kubeconfig: kubeconfigFlag,
  version: podIdentityVersionFlag,
  v: { type: 'integer', default: 0, help: 'Verbosity of the log: 0 changes and errors, 5 each call' },
  'imds-endpoint': {
    type: 'string',
    default: '',
    help: 'The real IMDS, as this process reaches it (default: http://METADATA-IP:METADATA-PORT)',
  },
  'mic-service-account': {
    type: 'string',
    default: 'aad-pod-identity-mic',
    help: 'Service account of the controller; its pods get the identity of their machine',
  },
  'allow-cross-namespace-secrets': {
    type: 'boolean',
    default: false,
    help: 'Standard mode only: clientPassword of an AzureIdentity may name a Secret of another namespace, as upstream permits',
  },
  'allowed-authorities': {
    type: 'strings',
    default: [],
    help: 'https URLs that adEndpoint of an AzureIdentity may name in addition to those of the known clouds, separated by commas',
  },
  'initial-objects': initialObjectsFlag,
  redirect: { type: 'boolean', default: true, help: 'Redirect requests of pods; false if other software does' },
  'token-cache-ttl': { type: 'duration', default: 600_000, help: 'How long a token is reused' },
  enableScaleFeatures: { type: 'ignored', help: 'Always on: assignments are watched by the label nodename' },
  'enable-conntrack-deletion': { type: 'ignored', help: 'Open connections end by themselves' },
  ...upstreamFlags,
} as const satisfies FlagSpecs

export interface NmiProgramConfig {
  logLevel: LogLevel
  kubeconfig: string
  tokenHoldMs: number
  /** File with kubelet's command line, which is checked for kubenet; empty when kubenet is allowed. */
  kubeletConfig: string
  /** See `startInitialObjects`; empty for none. */
  initialObjectsFile: string
  nmi: NmiConfig
}

export const nmiProgram: Program<typeof nmiFlags, NmiProgramConfig> = {
  name: 'nmi',
  summary: 'The node endpoint of AAD Pod Identity: answers the token requests of pods in place of IMDS.',
  flags: nmiFlags,
  configure,
}

function configure(flags: FlagValues<typeof nmiFlags>, env: Environment, problems: Problems): NmiProgramConfig {
  const mode = flags['operation-mode']
  const forceNamespaced = flags.forceNamespaced || env.FORCENAMESPACED === 'true'
  if (mode === 'managed' && !forceNamespaced) problems.add('--operation-mode', 'managed needs --forceNamespaced')
  if (mode === 'managed' && flags['allow-cross-namespace-secrets']) {
    problems.add('--allow-cross-namespace-secrets', 'is not available in managed mode')
  }
  for (const url of flags['allowed-authorities']) {
    if (normalizeAuthority(url) !== undefined) continue
    problems.unexpected('--allowed-authorities', url, 'https URLs without user, query and fragment')
  }
  const metadata = `http://${flags['metadata-ip']}:${flags['metadata-port']}`
  const imdsEndpoint = flags['imds-endpoint'] || metadata
  if (!isImdsEndpoint(imdsEndpoint)) {
    problems.unexpected('--imds-endpoint', imdsEndpoint, 'http://HOST[:PORT]')
  }
  return {
    logLevel: flags.v >= 5 ? 'debug' : 'info',
    kubeconfig: flags.kubeconfig,
    tokenHoldMs: flags['token-cache-ttl'],
    kubeletConfig: flags['allow-network-plugin-kubenet'] ? '' : flags['kubelet-config'],
    initialObjectsFile: flags['initial-objects'],
    nmi: {
      address: { host: flags['nmi-listen-address'], port: flags['nmi-port'] },
      healthAddress: { host: undefined, port: flags['http-probe-port'] },
      metricsAddress: { host: undefined, port: flags['prometheus-port'] },
      nodeName: flags.node || hostname(),
      mode,
      forceNamespaced,
      attemptsForCreated: flags['retry-attempts-for-created'],
      attemptsForAssigned: flags['retry-attempts-for-assigned'],
      findRetryMs: flags['find-identity-retry-interval'] * 1000,
      metadataHeaderRequired: flags['metadata-header-required'],
      blockInstanceMetadata: flags['block-instance-metadata'],
      setRetryAfterHeader: flags['set-retry-after-header'],
      allowCrossNamespaceSecrets: flags['allow-cross-namespace-secrets'],
      allowedAuthorities: flags['allowed-authorities'],
      controller: { namespace: flags.MICNamespace, serviceAccount: flags['mic-service-account'] },
      imdsEndpoint: imdsEndpoint.replace(/\/$/, ''),
      redirect: flags.redirect
        ? {
            metadataIp: flags['metadata-ip'],
            metadataPort: flags['metadata-port'],
            checkMs: flags['ipt-update-interval-sec'] * 1000,
          }
        : undefined,
    },
  }
}

import { hostname } from 'node:os'
import { type LogLevel, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, klogFlags, parseGoFlags } from '#lib/flags'
import type { NmiConfig } from './start-nmi.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const nmiFlags = {
  'nmi-listen-address': { type: 'string', default: '127.0.0.1', help: 'Address on which tokens are asked for' },
  'nmi-port': { type: 'integer', default: 2579, help: 'Its port' },
  'metadata-ip': {
    type: 'string',
    default: '169.254.169.254',
    help: 'Address of IMDS, which pods are redirected from',
  },
  'metadata-port': { type: 'integer', default: 80, help: 'Its port' },
  node: { type: 'string', default: '', help: 'Name of the node (default: the host name)' },
  'ipt-update-interval-sec': {
    type: 'integer',
    default: 60,
    help: 'Seconds between two looks whether the redirection still stands',
  },
  forceNamespaced: {
    type: 'boolean',
    default: false,
    help: 'Identities only for pods of their own namespace (also FORCENAMESPACED=true)',
  },
  MICNamespace: { type: 'string', default: 'default', help: 'Namespace of the controller' },
  'http-probe-port': { type: 'integer', default: 8080, help: 'Port of /healthz on every interface' },
  'prometheus-port': { type: 'integer', default: 9090, help: 'Port of /metrics on every interface' },
  'retry-attempts-for-created': {
    type: 'integer',
    default: 16,
    help: 'How often it is looked for an assignment to appear',
  },
  'retry-attempts-for-assigned': {
    type: 'integer',
    default: 4,
    help: 'How often more it is looked for the machine to have it',
  },
  'find-identity-retry-interval': { type: 'integer', default: 5, help: 'Seconds between two looks' },
  'block-instance-metadata': { type: 'boolean', default: false, help: 'Keep /metadata/instance from pods' },
  'metadata-header-required': {
    type: 'boolean',
    default: true,
    help: 'Refuse requests without the header Metadata: true, as IMDS does',
  },
  'operation-mode': {
    type: 'string',
    default: 'standard',
    help: 'standard, or managed: without a controller, needs --forceNamespaced',
  },
  'set-retry-after-header': {
    type: 'boolean',
    default: false,
    help: 'Tell a pod whose identity is on its way to come back, with 503 and Retry-After, instead of 404',
  },
  'allow-network-plugin-kubenet': {
    type: 'boolean',
    default: false,
    help: 'Start on a node with kubenet, where a pod with NET_RAW can take the identity of another',
  },
  'kubelet-config': {
    type: 'string',
    default: '/etc/default/kubelet',
    help: "File of kubelet's command line, in which kubenet is looked for",
  },
  kubeconfig: { type: 'string', default: '', help: "Cluster to serve (default KUBECONFIG, then the pod's own)" },
  version: { type: 'boolean', default: false, help: 'Print the version, and exit' },
  v: { type: 'integer', default: 0, help: 'Verbosity: 0 what matters, 5 each call' },
  'imds-endpoint': {
    type: 'string',
    default: '',
    help: 'The real IMDS, as this process reaches it (default: http://METADATA-IP:METADATA-PORT)',
  },
  'mic-service-account': {
    type: 'string',
    default: 'aad-pod-identity-mic',
    help: 'Service account of the controller, whose pods get the identity of their machine',
  },
  redirect: { type: 'boolean', default: true, help: 'Redirect the requests of pods; false: somebody else does' },
  'token-cache-ttl': { type: 'duration', default: 600_000, help: 'How long a token is given out again' },
  enableScaleFeatures: { type: 'ignored', help: 'always so: assignments are watched by the label nodename' },
  'enable-conntrack-deletion': { type: 'ignored', help: 'connections that stand end by themselves' },
  enableProfile: { type: 'ignored', help: 'profiling of Go programs' },
  'log-format': { type: 'ignored', help: 'logs are always JSON' },
  'custom-user-agent': { type: 'ignored', help: 'Entra is not told' },
  ...klogFlags,
} as const satisfies FlagSpecs

export type NmiCommand =
  | { kind: 'version' }
  | {
      kind: 'serve'
      kubeconfig: string
      logLevel: LogLevel
      tokenHoldMs: number
      /** File in which kubenet is looked for; empty when it does not matter. */
      kubeletConfig: string
      nmi: NmiConfig
    }

/** Command line and environment as one typed configuration. Throws {@link ProblemsError} with everything that is wrong. */
export function nmiConfig(argv: readonly string[], env: NodeJS.ProcessEnv): NmiCommand {
  const flags = parseGoFlags('nmi', nmiFlags, argv)
  if (flags.version) return { kind: 'version' }
  const problems: Problem[] = []
  const mode = flags['operation-mode']
  const forceNamespaced = flags.forceNamespaced || env['FORCENAMESPACED'] === 'true'
  if (mode !== 'standard' && mode !== 'managed') {
    problems.push({ path: '--operation-mode', message: `found "${mode}", expected standard or managed` })
  } else if (mode === 'managed' && !forceNamespaced) {
    problems.push({ path: '--operation-mode', message: 'managed needs --forceNamespaced' })
  }
  const metadata = `http://${flags['metadata-ip']}:${flags['metadata-port']}`
  const imdsEndpoint = (flags['imds-endpoint'] || metadata).replace(/\/$/, '')
  if (!/^http:\/\/[^/?#@]+$/.test(imdsEndpoint) || !URL.canParse(imdsEndpoint)) {
    problems.push({ path: '--imds-endpoint', message: `found "${imdsEndpoint}", expected http://HOST[:PORT]` })
  }
  if (flags['ipt-update-interval-sec'] < 1) {
    problems.push({ path: '--ipt-update-interval-sec', message: 'expected 1 or more' })
  }
  if (problems.length > 0) throw new ProblemsError('nmi', problems)
  return {
    kind: 'serve',
    kubeconfig: flags.kubeconfig || (env['KUBECONFIG'] ?? ''),
    logLevel: flags.v >= 5 ? 'debug' : 'info',
    tokenHoldMs: flags['token-cache-ttl'],
    kubeletConfig: flags['allow-network-plugin-kubenet'] ? '' : flags['kubelet-config'],
    nmi: {
      address: { host: flags['nmi-listen-address'], port: flags['nmi-port'] },
      healthAddress: { host: undefined, port: flags['http-probe-port'] },
      metricsAddress: { host: undefined, port: flags['prometheus-port'] },
      nodeName: flags.node || hostname(),
      mode: mode === 'managed' ? 'managed' : 'standard',
      forceNamespaced,
      attemptsForCreated: flags['retry-attempts-for-created'],
      attemptsForAssigned: flags['retry-attempts-for-assigned'],
      findRetryMs: flags['find-identity-retry-interval'] * 1000,
      metadataHeaderRequired: flags['metadata-header-required'],
      blockInstanceMetadata: flags['block-instance-metadata'],
      setRetryAfterHeader: flags['set-retry-after-header'],
      controller: { namespace: flags.MICNamespace, serviceAccount: flags['mic-service-account'] },
      imdsEndpoint,
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

import { existsSync } from 'node:fs'
import { cloudNames, findCloud, isStackCloud, tokenExchangeAudience } from '#azure/identity'
import { buildOf, buildVersion, httpFromEnvironment, metricsBackendFlag, readPem } from '#daemon'
import { inClusterConfig, loadKubeconfig } from '#kubernetes/client'
import type { LogLevel, Problems } from '#lib'
import { withoutEnd } from '#lib'
import {
  addressOfPort,
  type Environment,
  type FlagSpecs,
  type FlagValues,
  klogFlags,
  type ListenAddress,
  type Program,
  parseListenAddress,
} from '#lib/flags'
import { formatDuration } from '#lib/formats'
import { type ManagedIdentityPolicy, parseManagedIdentities, systemAssigned } from './managed-identities.ts'
import { providerLimits } from './provider-limits.ts'
import { objectNameLabels } from './provider-metrics.ts'
import type { ProviderConfig } from './start-provider.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const providerFlags = {
  version: {
    type: 'boolean',
    default: false,
    help: 'Print version and build date as JSON, and exit',
    prints: (env: Environment) => JSON.stringify({ version: buildVersion, buildDate: buildOf(env).date }),
  },
  endpoint: {
    type: 'endpoint',
    default: 'unix:///tmp/azure.sock',
    help: 'Where to listen: unix:///PATH or tcp://HOST:PORT',
  },
  'healthz-port': {
    type: 'port',
    default: 8989,
    help: 'Port of the liveness probe on every interface; 0 for none',
  },
  'healthz-path': { type: 'string', default: '/healthz', help: 'Path of the liveness probe' },
  'healthz-timeout': { type: 'duration', default: 5000, help: 'Longest wait for our own socket in a liveness probe' },
  'metrics-backend': metricsBackendFlag,
  'prometheus-port': { type: 'port', default: 8898, help: 'Port of /metrics on every interface; 0 for none' },
  'construct-pem-chain': { type: 'boolean', default: true, help: 'Order the certificates of a PFX leaf first' },
  'write-cert-and-key-in-separate-files': {
    type: 'boolean',
    default: false,
    help: "Write FILE.crt and FILE.key beside the combined file of a certificate's secret",
  },
  'cloud-name': { type: 'string', default: '', help: 'Cloud of classes that name none (default AzurePublicCloud)' },
  'token-proxy-url': {
    type: 'string',
    default: '',
    help: 'Token proxy for identity bindings (default: the API server)',
  },
  'sni-name': {
    type: 'string',
    default: '',
    help: "TLS server name of the token proxy (default: from the API server's certificate)",
  },
  'custom-user-agent': { type: 'string', default: '', help: 'Added to the user agent of requests to vaults' },
  'log-format-json': { type: 'ignored', help: 'Logs are always JSON lines' },
  'enable-pprof': { type: 'ignored', help: 'Profiling of Go programs' },
  'pprof-port': { type: 'ignored', help: 'Profiling of Go programs' },
  v: { type: 'integer', default: 0, help: 'Verbosity: 0 to 4 one line per mount, 5 also for every other call' },
  ...klogFlags,

  'metrics-addr': {
    type: 'string',
    default: '',
    help: 'Address of /metrics, such as 127.0.0.1:8898, instead of --prometheus-port; 0 for none',
  },
  'health-addr': {
    type: 'string',
    default: '',
    help: 'Address of the liveness probe, such as 127.0.0.1:8989, instead of --healthz-port; 0 for none',
  },
  'default-tenant': {
    type: 'string',
    default: '',
    help: 'Tenant of classes and service accounts that name none (default AZURE_TENANT_ID)',
  },
  'read-share': {
    type: 'duration',
    default: 5000,
    help: 'For how long one vault read serves other pods of the same identity; 0s for concurrent ones only',
  },
  'token-cache-ttl': {
    type: 'duration',
    default: 600_000,
    help: 'How long an Entra token is used; a removed federated credential takes effect after that',
  },
  'serve-stale-for': {
    type: 'duration',
    default: 0,
    help: 'During an outage, let a new pod start from what this node read at most this long ago, where its class has no serveStaleFor (0s: never)',
  },
  'serve-stale-max': {
    type: 'duration',
    default: 72 * 3_600_000,
    help: 'The longest that serveStaleFor of a class has an effect (0s: never)',
  },
  'last-good-bytes': {
    type: 'integer',
    default: providerLimits.lastGoodBytes.value,
    min: 0,
    help: 'Memory for values kept for an outage, oldest use first out',
  },
  'imds-endpoint': {
    type: 'string',
    default: '',
    help: 'Instance metadata service (default AZURE_POD_IDENTITY_AUTHORITY_HOST, then http://169.254.169.254)',
  },
  'nmi-endpoint': { type: 'string', default: 'http://127.0.0.1:2579', help: 'Node agent of AAD Pod Identity' },
  'emulator-proxy': { type: 'string', default: '', help: 'HTTPS proxy of a local Azure, for classes with useEmulator' },
  'emulator-ca-file': { type: 'string', default: '', help: 'CA of that local Azure (PEM)' },
  'emulator-authority': {
    type: 'string',
    default: 'https://login.microsoftonline.com',
    help: 'Sign-in endpoint of that local Azure',
  },
  'emulator-vault-suffix': {
    type: 'string',
    default: 'vault.azure.net',
    help: 'What follows NAME. in the hosts of its vaults',
  },
  kubeconfig: { type: 'string', default: '', help: "Cluster to read service accounts from (default: the pod's own)" },
  'cloud-files': {
    type: 'string',
    default: '',
    help: 'Directory of environment files for AzureStackCloud that classes may name (empty: none)',
  },
  'managed-identities': {
    type: 'strings',
    default: ['any'],
    help: 'Identities of the node that classes may sign in as: any, none, or client ids and system-assigned',
  },
  'token-audiences': {
    type: 'strings',
    default: [tokenExchangeAudience],
    help: 'Audiences of the service account tokens that Entra exchanges, the preferred one first',
  },
  'max-mount-bytes': {
    type: 'integer',
    default: providerLimits.mountBytes.value,
    min: 1024,
    help: 'Largest answer to one mount; no more than the driver accepts',
  },
  'max-answer-bytes': {
    type: 'integer',
    default: providerLimits.answerBytes.value,
    min: 1024,
    help: 'Largest sum of answers to mounts in progress',
  },
  'object-name-labels': {
    type: 'choice',
    values: objectNameLabels,
    default: 'plain',
    help: 'How metrics show names of objects: as they are, hashed, or not at all',
  },
} as const satisfies FlagSpecs

type Flags = FlagValues<typeof providerFlags>

/** What the program needs beside {@link ProviderConfig}. */
export interface ProviderProgramConfig extends Omit<ProviderConfig, 'log'> {
  logLevel: LogLevel
}

export const providerProgram: Program<typeof providerFlags, ProviderProgramConfig> = {
  name: 'provider',
  summary: 'The Azure provider of a node: signs in to Microsoft Entra ID and reads objects from Key Vault.',
  flags: providerFlags,
  configure,
}

function configure(
  flags: FlagValues<typeof providerFlags>,
  env: Environment,
  problems: Problems,
): ProviderProgramConfig {
  const cloudName = flags['cloud-name']
  if (cloudName !== '' && findCloud(cloudName) === undefined && !isStackCloud(cloudName)) {
    problems.unexpected('--cloud-name', cloudName, `one of ${cloudNames.join(', ')}`)
  }
  if (flags['serve-stale-for'] > flags['serve-stale-max']) {
    const most = `at most --serve-stale-max, which is ${formatDuration(flags['serve-stale-max'])}`
    problems.unexpected('--serve-stale-for', formatDuration(flags['serve-stale-for']), most)
  }
  return {
    logLevel: flags.v >= 5 ? 'debug' : 'info',
    endpoint: flags.endpoint,
    version: buildVersion,
    metricsAddress: addressOf('metrics-addr', flags['metrics-addr'], flags['prometheus-port'], problems),
    healthAddress: addressOf('health-addr', flags['health-addr'], flags['healthz-port'], problems),
    healthPath: flags['healthz-path'],
    healthTimeoutMs: flags['healthz-timeout'],
    cloud: { cloudName, cloudFile: env.AZURE_ENVIRONMENT_FILEPATH ?? '', cloudFiles: flags['cloud-files'] },
    managedIdentities: managedIdentitiesOf(flags['managed-identities'], problems),
    tokenAudiences: flags['token-audiences'],
    maxMountBytes: flags['max-mount-bytes'],
    maxAnswerBytes: flags['max-answer-bytes'],
    objectNameLabels: flags['object-name-labels'],
    defaultTenantId: flags['default-tenant'] || (env.AZURE_TENANT_ID ?? ''),
    kube: kubeConfig(flags.kubeconfig, env),
    http: httpFromEnvironment(env, problems),
    emulator: emulatorConfig(flags, problems),
    imdsEndpoint: flags['imds-endpoint'] || env.AZURE_POD_IDENTITY_AUTHORITY_HOST || undefined,
    nmiEndpoint: flags['nmi-endpoint'],
    tokenProxy: {
      url: flags['token-proxy-url'] || undefined,
      sniName: flags['sni-name'] || undefined,
      apiServer: {
        host: 'kubernetes.default.svc.cluster.local',
        port: Number(env.KUBERNETES_SERVICE_PORT ?? 443),
      },
    },
    readShareMs: flags['read-share'],
    staleMs: flags['serve-stale-for'],
    maxStaleMs: flags['serve-stale-max'],
    lastGoodBytes: flags['last-good-bytes'],
    tokenHoldMs: flags['token-cache-ttl'],
    constructPemChain: flags['construct-pem-chain'],
    separateFiles: flags['write-cert-and-key-in-separate-files'],
    userAgent: flags['custom-user-agent'],
    prepare: true,
  }
}

/** The address that a pair of flags names: the one with an interface wins over the port on every interface. */
function addressOf(flag: string, text: string, port: number, problems: Problems): ListenAddress | undefined {
  if (text === '') return addressOfPort(port)
  const address = parseListenAddress(text)
  if (address === undefined) problems.unexpected(`--${flag}`, text, 'HOST:PORT or :PORT, or 0 for none')
  return address ?? undefined
}

function managedIdentitiesOf(words: readonly string[], problems: Problems): ManagedIdentityPolicy {
  const policy = parseManagedIdentities(words)
  if (policy === undefined)
    problems.unexpected('--managed-identities', words.join(','), `any, none, or client ids and ${systemAssigned}`)
  return policy ?? []
}

function emulatorConfig(flags: Flags, problems: Problems): ProviderConfig['emulator'] {
  const proxy = flags['emulator-proxy']
  if (proxy === '') return undefined
  if (!URL.canParse(proxy)) problems.unexpected('--emulator-proxy', proxy, 'a URL such as http://127.0.0.1:18443')
  const suffix = flags['emulator-vault-suffix']
  return {
    cloud: {
      name: 'local Azure',
      authority: withoutEnd(flags['emulator-authority'], '/'),
      vaultSuffix: suffix,
      vaultResource: `https://${suffix}`,
    },
    http: {
      proxyEnv: { HTTPS_PROXY: proxy },
      ca: readPem('--emulator-ca-file', flags['emulator-ca-file'], problems),
    },
  }
}

/** A cluster is optional: without it, a class has to name its identity. */
function kubeConfig(path: string, env: Environment): ProviderConfig['kube'] {
  if (path !== '') return loadKubeconfig(path, { environment: env })
  const host = env.KUBERNETES_SERVICE_HOST ?? ''
  if (host === '' || !existsSync('/var/run/secrets/kubernetes.io/serviceaccount/token')) return undefined
  return inClusterConfig({ host, port: env.KUBERNETES_SERVICE_PORT ?? '443' })
}

import { existsSync } from 'node:fs'
import { cloudNames, findCloud, isStackCloud } from '#azure/identity'
import { buildVersion, httpFromEnvironment, readPem } from '#daemon'
import { inClusterConfig, loadKubeconfig } from '#kubernetes/client'
import { type LogLevel, type Problem, ProblemsError } from '#lib'
import {
  type FlagSpecs,
  type FlagValues,
  klogFlags,
  type ListenAddress,
  parseGoFlags,
  parseListenAddress,
} from '#lib/flags'
import type { ProviderConfig } from './start-provider.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const providerFlags = {
  version: { type: 'boolean', default: false, help: 'Print version and build date as JSON, and exit' },
  endpoint: {
    type: 'string',
    default: 'unix:///tmp/azure.sock',
    help: 'Where to listen: unix:///PATH or tcp://HOST:PORT',
  },
  'healthz-port': {
    type: 'integer',
    default: 8989,
    help: 'Port of the liveness probe on every interface; 0 for none',
  },
  'healthz-path': { type: 'string', default: '/healthz', help: 'Path of the liveness probe' },
  'healthz-timeout': { type: 'duration', default: 5000, help: 'Longest wait for our own socket in a liveness probe' },
  'metrics-backend': { type: 'string', default: 'Prometheus', help: 'Only Prometheus exists' },
  'prometheus-port': { type: 'integer', default: 8898, help: 'Port of /metrics on every interface; 0 for none' },
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
  'enable-pprof': { type: 'ignored', help: 'A Go profile; there is none' },
  'pprof-port': { type: 'ignored', help: 'A Go profile; there is none' },
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
    help: 'During an outage, let a new pod start from what this node read at most this long ago (0s: never)',
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
} as const satisfies FlagSpecs

export type ProviderCommand =
  | { kind: 'version' }
  | { kind: 'serve'; config: Omit<ProviderConfig, 'log'>; logLevel: LogLevel }

/** Command line and environment as one typed configuration. Throws {@link ProblemsError} with everything that is wrong. */
export function providerConfig(argv: readonly string[], env: NodeJS.ProcessEnv): ProviderCommand {
  const flags = parseGoFlags('provider', providerFlags, argv)
  if (flags.version) return { kind: 'version' }
  const problems: Problem[] = []
  const endpoint = parseEndpoint(flags.endpoint, problems)
  if (flags['metrics-backend'].toLowerCase() !== 'prometheus') {
    problems.push({ path: '--metrics-backend', message: `found "${flags['metrics-backend']}", expected Prometheus` })
  }
  if (
    flags['cloud-name'] !== '' &&
    findCloud(flags['cloud-name']) === undefined &&
    !isStackCloud(flags['cloud-name'])
  ) {
    problems.push({
      path: '--cloud-name',
      message: `found "${flags['cloud-name']}", expected one of ${cloudNames.join(', ')}`,
    })
  }
  const metricsAddress = listenAddress(flags, { address: 'metrics-addr', port: 'prometheus-port' }, problems)
  const healthAddress = listenAddress(flags, { address: 'health-addr', port: 'healthz-port' }, problems)
  const http = httpFromEnvironment(env, problems)
  const emulator = emulatorConfig(flags, problems)
  if (problems.length > 0 || endpoint === undefined) throw new ProblemsError('provider', problems)
  return {
    kind: 'serve',
    logLevel: flags.v >= 5 ? 'debug' : 'info',
    config: {
      endpoint,
      version: buildVersion,
      metricsAddress,
      healthAddress,
      healthPath: flags['healthz-path'],
      healthTimeoutMs: flags['healthz-timeout'],
      cloud: { cloudName: flags['cloud-name'], cloudFile: env['AZURE_ENVIRONMENT_FILEPATH'] ?? '' },
      defaultTenantId: flags['default-tenant'] || (env['AZURE_TENANT_ID'] ?? ''),
      kube: kubeConfig(flags.kubeconfig, env),
      http,
      emulator,
      imdsEndpoint: flags['imds-endpoint'] || env['AZURE_POD_IDENTITY_AUTHORITY_HOST'] || undefined,
      nmiEndpoint: flags['nmi-endpoint'],
      tokenProxy: {
        ...(flags['token-proxy-url'] === '' ? {} : { url: flags['token-proxy-url'] }),
        ...(flags['sni-name'] === '' ? {} : { sniName: flags['sni-name'] }),
        apiServer: {
          host: 'kubernetes.default.svc.cluster.local',
          port: Number(env['KUBERNETES_SERVICE_PORT'] ?? 443),
        },
      },
      readShareMs: flags['read-share'],
      staleMs: flags['serve-stale-for'],
      tokenHoldMs: flags['token-cache-ttl'],
      constructPemChain: flags['construct-pem-chain'],
      separateFiles: flags['write-cert-and-key-in-separate-files'],
      userAgent: flags['custom-user-agent'],
    },
  }
}

function parseEndpoint(text: string, problems: Problem[]): ProviderConfig['endpoint'] | undefined {
  const unix = /^unix:\/\/(.+)$/i.exec(text)?.[1]
  if (unix !== undefined) return { kind: 'unix', path: unix.replace(/^\/+/, '/') }
  const address = /^tcp:\/\/(.*:\d+)$/i.exec(text)?.[1]
  if (address !== undefined) return { kind: 'tcp', address: address.startsWith(':') ? `0.0.0.0${address}` : address }
  problems.push({ path: '--endpoint', message: `invalid endpoint: ${text}; expected unix:///PATH or tcp://HOST:PORT` })
  return undefined
}

/** The address that one of two flags names; the one that can say an interface wins. */
function listenAddress(
  flags: FlagValues<typeof providerFlags>,
  names: { address: 'metrics-addr' | 'health-addr'; port: 'prometheus-port' | 'healthz-port' },
  problems: Problem[],
): ListenAddress | undefined {
  const given = flags[names.address]
  if (given !== '') {
    const address = parseListenAddress(given)
    if (address === undefined)
      problems.push({ path: `--${names.address}`, message: `found "${given}", expected HOST:PORT or :PORT` })
    return address ?? undefined
  }
  const port = flags[names.port]
  if (port < 0 || port > 65_535)
    problems.push({ path: `--${names.port}`, message: `found ${port}, expected 0 to 65535` })
  return port === 0 ? undefined : { host: undefined, port }
}

function emulatorConfig(flags: FlagValues<typeof providerFlags>, problems: Problem[]): ProviderConfig['emulator'] {
  const proxy = flags['emulator-proxy']
  if (proxy === '') return undefined
  if (!URL.canParse(proxy))
    problems.push({
      path: '--emulator-proxy',
      message: `found "${proxy}", expected a URL such as http://127.0.0.1:18443`,
    })
  const ca = readPem('--emulator-ca-file', flags['emulator-ca-file'], problems)
  const suffix = flags['emulator-vault-suffix']
  return {
    cloud: {
      name: 'local Azure',
      authority: flags['emulator-authority'].replace(/\/+$/, ''),
      vaultSuffix: suffix,
      vaultResource: `https://${suffix}`,
    },
    http: { proxyEnv: { HTTPS_PROXY: proxy }, ...(ca === undefined ? {} : { ca }) },
  }
}

/** The cluster is a help, not a need: without it, a class has to name its identity. */
function kubeConfig(path: string, env: NodeJS.ProcessEnv): ProviderConfig['kube'] {
  if (path !== '') return loadKubeconfig(path, { environment: env })
  const host = env['KUBERNETES_SERVICE_HOST'] ?? ''
  if (host === '' || !existsSync('/var/run/secrets/kubernetes.io/serviceaccount/token')) {
    return undefined
  }
  return inClusterConfig({ host, port: env['KUBERNETES_SERVICE_PORT'] ?? '443' })
}

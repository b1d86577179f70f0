import { readFileSync } from 'node:fs'
import { cloudNames, findCloud, isStackCloud, parseCloudFile } from '#azure/identity'
import { parseLogLevel } from '#daemon'
import { errorMessage, type LogLevel, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, type ListenAddress, parseGoFlags, parseListenAddress } from '#lib/flags'
import { imageReference } from '#packaging/image'
import packageJson from '../../../package.json' with { type: 'json' }
import type { WebhookConfig } from './start-webhook.ts'
import type { TokenEndpoint, TokenEndpointTrust } from './webhook-settings.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const controllerFlags = {
  audience: {
    type: 'string',
    default: '',
    help: 'Audience of the projected token (default api://AzureADTokenExchange)',
  },
  'webhook-cert-dir': {
    type: 'string',
    default: '/certs',
    help: 'Directory of tls.crt and tls.key; read with --disable-cert-rotation only',
  },
  'disable-cert-rotation': {
    type: 'boolean',
    default: false,
    help: 'Serve with the files of --webhook-cert-dir; the caBundle of the webhook configuration is then yours too',
  },
  'tls-min-version': { type: 'string', default: '1.3', help: 'Lowest TLS version: 1.0, 1.1, 1.2 or 1.3' },
  'health-addr': { type: 'string', default: ':9440', help: 'Address of /healthz and /readyz; 0 for none' },
  'metrics-addr': { type: 'string', default: ':8095', help: 'Address of /metrics; 0 for none' },
  'metrics-backend': { type: 'string', default: 'prometheus', help: 'Only prometheus exists' },
  'log-level': { type: 'string', default: '', help: 'info, debug, trace or all; also of the proxy sidecar' },
  version: { type: 'boolean', default: false, help: 'Print the version as JSON, and exit' },
  'custom-token-endpoint-annotation-suffix': {
    type: 'string',
    default: '',
    help: 'Pods with the annotation azure.workload.identity/use-SUFFIX: "true" use the token endpoint',
  },
  'custom-token-endpoint-audience': { type: 'string', default: '', help: 'Audience of their token' },

  'webhook-addr': { type: 'string', default: ':9443', help: 'Where the API server calls' },
  'legacy-token-path': {
    type: 'boolean',
    default: false,
    help: 'Also project the token to /var/run/secrets/azure/tokens/azure-identity-token, where releases before 1.6.0 had it',
  },
  'service-account-selector': {
    type: 'string',
    default: '',
    help: 'Label selector of the service accounts that are followed; others are read when a pod names them (default: all)',
  },
  'class-checks': {
    type: 'string',
    default: 'off',
    help: 'Of a SecretProviderClass that no pod can mount: warn whoever creates it, refuse it, or off',
  },
  'drain-time': {
    type: 'duration',
    default: 5000,
    help: 'For how long requests are still answered after a signal to stop',
  },
  kubeconfig: { type: 'string', default: '', help: "Cluster to serve (default KUBECONFIG, then the pod's own)" },
} as const satisfies FlagSpecs

/** The proxy sidecar is a program of the same image. */
const ownImage = imageReference(packageJson.version)

export type ControllerCommand =
  | { kind: 'version' }
  | { kind: 'serve'; kubeconfig: string; logLevel: LogLevel; webhook: WebhookConfig }

const standardAudience = 'api://AzureADTokenExchange'
const tlsVersions = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' } as const
const classCheckModes = ['off', 'warn', 'refuse'] as const

/** Command line and environment as one typed configuration. Throws {@link ProblemsError} with everything that is wrong. */
export function controllerConfig(argv: readonly string[], env: NodeJS.ProcessEnv): ControllerCommand {
  const flags = parseGoFlags('controller', controllerFlags, argv)
  if (flags.version) return { kind: 'version' }
  const problems: Problem[] = []
  const tenantId = env['AZURE_TENANT_ID'] ?? ''
  if (tenantId === '') {
    problems.push({ path: 'AZURE_TENANT_ID', message: 'required key AZURE_TENANT_ID missing value' })
  }
  const minVersion = oneOf(tlsVersions, flags['tls-min-version'])
  if (minVersion === undefined) {
    problems.push({
      path: '--tls-min-version',
      message: `invalid TLS version. Must be one of: 1.0, 1.1, 1.2, 1.3; found "${flags['tls-min-version']}"`,
    })
  }
  const logLevel = parseLogLevel(flags['log-level'], problems)
  if (flags['metrics-backend'].toLowerCase() !== 'prometheus') {
    problems.push({ path: '--metrics-backend', message: `found "${flags['metrics-backend']}", expected prometheus` })
  }
  const classChecks = classCheckModes.find((mode) => mode === flags['class-checks'])
  if (classChecks === undefined) {
    problems.push({
      path: '--class-checks',
      message: `found "${flags['class-checks']}", expected ${classCheckModes.join(', ')}`,
    })
  }
  const address = listenAddress(flags, 'webhook-addr', problems)
  const healthAddress = listenAddress(flags, 'health-addr', problems)
  const metricsAddress = listenAddress(flags, 'metrics-addr', problems)
  const authorityHost = authorityHostOf(env, problems)
  const tokenEndpoint = tokenEndpointOf(flags, env, problems)
  if (problems.length > 0 || address === undefined) throw new ProblemsError('controller', problems)
  return {
    kind: 'serve',
    kubeconfig: flags.kubeconfig || (env['KUBECONFIG'] ?? ''),
    logLevel,
    webhook: {
      address,
      minVersion: minVersion ?? 'TLSv1.3',
      healthAddress,
      metricsAddress,
      certificates: flags['disable-cert-rotation']
        ? { kind: 'files', directory: flags['webhook-cert-dir'] }
        : { kind: 'own', namespace: env['POD_NAMESPACE'] || 'azure-workload-identity-system' },
      serviceAccountSelector: flags['service-account-selector'],
      classChecks: classChecks ?? 'off',
      drainMs: flags['drain-time'],
      settings: {
        tenantId,
        authorityHost,
        audience: flags.audience || standardAudience,
        legacyTokenPath: flags['legacy-token-path'],
        proxy: {
          image: env['PROXY_IMAGE'] || ownImage,
          initImage: env['PROXY_INIT_IMAGE'] || ownImage,
          extraArgs: (env['PROXY_ARGS'] ?? '').split(/\s+/).filter((word) => word !== ''),
          env: proxyEnvironment(env),
          logLevel: flags['log-level'],
        },
        tokenEndpoint,
      },
    },
  }
}

type Flags = ReturnType<typeof parseGoFlags<typeof controllerFlags>>

function oneOf<T>(values: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(values, name) ? values[name] : undefined
}

function listenAddress(
  flags: Flags,
  name: 'webhook-addr' | 'health-addr' | 'metrics-addr',
  problems: Problem[],
): ListenAddress | undefined {
  const address = parseListenAddress(flags[name])
  if (address === undefined || (address === null && name === 'webhook-addr')) {
    problems.push({ path: `--${name}`, message: `found "${flags[name]}", expected HOST:PORT or :PORT` })
  }
  return address ?? undefined
}

/** Where workloads of the cloud sign in, with a trailing slash. */
function authorityHostOf(env: NodeJS.ProcessEnv, problems: Problem[]): string {
  const name = env['AZURE_ENVIRONMENT'] ?? ''
  try {
    const cloud = isStackCloud(name)
      ? parseCloudFile(readFileSync(env['AZURE_ENVIRONMENT_FILEPATH'] ?? '', 'utf8'))
      : findCloud(name)
    if (cloud !== undefined) return `${cloud.authority}/`
    problems.push({ path: 'AZURE_ENVIRONMENT', message: `found "${name}", expected one of ${cloudNames.join(', ')}` })
  } catch (error) {
    problems.push({ path: 'AZURE_ENVIRONMENT_FILEPATH', message: errorMessage(error) })
  }
  return ''
}

/** Variables of ours that are meant for the proxy sidecar: `PROXY_ENV_NAME` becomes its `NAME`. */
function proxyEnvironment(env: NodeJS.ProcessEnv): { name: string; value: string }[] {
  return Object.entries(env).flatMap(([key, value = '']) => {
    const name = /^PROXY_ENV_([A-Za-z_][A-Za-z0-9_]*)$/.exec(key)?.[1]
    return name === undefined || value === '' ? [] : [{ name, value }]
  })
}

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set */
const annotationName = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

function tokenEndpointOf(flags: Flags, env: NodeJS.ProcessEnv, problems: Problem[]): TokenEndpoint | undefined {
  const suffix = flags['custom-token-endpoint-annotation-suffix']
  const audience = flags['custom-token-endpoint-audience']
  const trust = trustOf(env, problems)
  if (suffix === '' && audience === '') return undefined
  const [name, audienceName] = ['--custom-token-endpoint-annotation-suffix', '--custom-token-endpoint-audience']
  const proxyUrl = env['AZURE_KUBERNETES_TOKEN_PROXY'] ?? ''
  if (suffix === '') problems.push({ path: name, message: `missing; ${audienceName} needs it` })
  else if (!annotationName.test(`use-${suffix}`)) {
    problems.push({ path: name, message: `azure.workload.identity/use-${suffix} is no valid annotation` })
  }
  if (audience === '') problems.push({ path: audienceName, message: `missing; ${name} needs it` })
  if (audience.toLowerCase() === standardAudience.toLowerCase()) {
    problems.push({ path: audienceName, message: `found "${audience}", expected another one than that of Entra` })
  }
  if (!/^https:\/\/[^/?#@]+(\/[^?#]*)?$/.test(proxyUrl)) {
    problems.push({
      path: 'AZURE_KUBERNETES_TOKEN_PROXY',
      message: `found "${proxyUrl}", expected an https URL without user, query and fragment`,
    })
  }
  const sniName = env['AZURE_KUBERNETES_SNI_NAME'] ?? ''
  return { annotation: `azure.workload.identity/use-${suffix}`, audience, proxyUrl, sniName, trust }
}

function trustOf(env: NodeJS.ProcessEnv, problems: Problem[]): TokenEndpointTrust {
  const read = (name: string) => env[`AZURE_KUBERNETES_CA_${name}`] ?? ''
  const [pem, configMap, signerName] = [read('DATA'), read('CONFIGMAP_NAME'), read('CTB_SIGNER_NAME')]
  if ([pem, configMap, signerName].filter((value) => value !== '').length > 1) {
    problems.push({
      path: 'AZURE_KUBERNETES_CA_DATA, _CONFIGMAP_NAME, _CTB_SIGNER_NAME',
      message: 'only one of them may be set',
    })
  }
  const selector = read('CTB_LABEL_SELECTOR')
  if (selector !== '' && signerName === '') {
    problems.push({
      path: 'AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR',
      message: 'needs AZURE_KUBERNETES_CA_CTB_SIGNER_NAME',
    })
  }
  if (pem !== '') return { kind: 'data', pem }
  if (configMap !== '') return { kind: 'configMap', name: configMap }
  if (signerName === '') return { kind: 'system' }
  return { kind: 'trustBundle', signerName, labelSelector: labelSelectorOf(selector, problems) }
}

function labelSelectorOf(text: string, problems: Problem[]): unknown {
  if (text === '') return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  } catch {
    // Said below.
  }
  problems.push({
    path: 'AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR',
    message: `found ${text}, expected a LabelSelector as JSON`,
  })
  return undefined
}

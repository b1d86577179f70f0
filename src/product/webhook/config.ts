import { readFileSync } from 'node:fs'
import { cloudNames, findCloud, isStackCloud, parseCloudFile } from '#azure/identity'
import {
  kubeconfigFlag,
  logLevelFlag,
  logLevelOf,
  metricsBackendFlag,
  packageVersion,
  readPem,
  workloadIdentityVersionFlag,
} from '#daemon'
import { errorMessage, type LogLevel, orUndefined, type Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { parseJson, recordOf } from '#lib/formats'
import { imageReference } from '#packaging/image'
import type { ContainerResources } from '#product/proxy'
import type { ClientCertificates } from './serve-admission.ts'
import type { WebhookConfig } from './start-webhook.ts'
import type { TokenEndpoint, TokenEndpointTrust } from './webhook-settings.ts'

/** Upstream's flags with upstream's defaults, then ours. `docs/configuration.md` is checked against this. */
export const webhookFlags = {
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
    help: 'Serve with the files of --webhook-cert-dir; you then maintain the caBundle of the webhook configuration too',
  },
  'tls-min-version': {
    type: 'choice',
    values: ['1.0', '1.1', '1.2', '1.3'],
    default: '1.3',
    help: 'Lowest TLS version',
  },
  'health-addr': { type: 'address', default: ':9440', help: 'Address of /healthz and /readyz; 0 for none' },
  'metrics-addr': { type: 'address', default: ':8095', help: 'Address of /metrics; 0 for none' },
  'metrics-backend': { ...metricsBackendFlag, default: 'prometheus', values: ['prometheus'] },
  'log-level': { ...logLevelFlag, help: 'Verbosity of the log, and of the proxy sidecar' },
  version: workloadIdentityVersionFlag,
  'custom-token-endpoint-annotation-suffix': {
    type: 'string',
    default: '',
    help: 'Pods with the annotation azure.workload.identity/use-SUFFIX: "true" use the token endpoint',
  },
  'custom-token-endpoint-audience': { type: 'string', default: '', help: 'Audience of the token of such pods' },

  'webhook-addr': { type: 'address', default: ':9443', help: 'Address that the API server calls' },
  'legacy-token-path': {
    type: 'boolean',
    default: false,
    help: 'Also project the token to /var/run/secrets/azure/tokens/azure-identity-token, where releases before 1.6.0 had it',
  },
  'service-account-selector': {
    type: 'string',
    default: '',
    help: 'Label selector of the service accounts that are watched; others are read when a pod uses them (default: all)',
  },
  'class-checks': {
    type: 'choice',
    values: ['off', 'warn', 'refuse'],
    default: 'off',
    help: 'What to do with a SecretProviderClass that no pod can mount: admit it, admit it with a warning, or refuse it',
  },
  'env-files': {
    type: 'boolean',
    default: false,
    help: 'Give pods with the annotation keymount.dev/env environment variables from files (Kubernetes 1.35); otherwise such pods are refused',
  },
  'client-ca-file': {
    type: 'string',
    default: '',
    help: 'PEM file with the authority that signs client certificates of the API server; requests without one are refused (default: none is required)',
  },
  'client-names': {
    type: 'strings',
    default: [],
    help: 'Common names that a client certificate may have, separated by commas; needs --client-ca-file (default: any)',
  },
  'drain-time': {
    type: 'duration',
    default: 5000,
    help: 'How long requests are still answered after a signal to stop',
  },
  kubeconfig: kubeconfigFlag,
} as const satisfies FlagSpecs

/** The proxy sidecar is a program of the same image. */
const ownImage = imageReference(packageVersion)

const standardAudience = 'api://AzureADTokenExchange'
const tlsVersions = { '1.0': 'TLSv1', '1.1': 'TLSv1.1', '1.2': 'TLSv1.2', '1.3': 'TLSv1.3' } as const

type Flags = FlagValues<typeof webhookFlags>

export interface WebhookProgramConfig {
  logLevel: LogLevel
  kubeconfig: string
  webhook: WebhookConfig
}

export const webhookProgram: Program<typeof webhookFlags, WebhookProgramConfig> = {
  name: 'controller',
  summary: 'The workload identity webhook: gives labelled pods a token and the variables that SDKs read.',
  flags: webhookFlags,
  configure,
}

function configure(flags: FlagValues<typeof webhookFlags>, env: Environment, problems: Problems): WebhookProgramConfig {
  const tenantId = env.AZURE_TENANT_ID ?? ''
  if (tenantId === '') problems.add('AZURE_TENANT_ID', 'required key AZURE_TENANT_ID missing value')
  const address = flags['webhook-addr']
  if (address === undefined) problems.add('--webhook-addr', 'expected HOST:PORT or :PORT')
  return {
    logLevel: logLevelOf(flags['log-level']),
    kubeconfig: flags.kubeconfig,
    webhook: {
      address: address ?? { host: undefined, port: 0 },
      minVersion: tlsVersions[flags['tls-min-version']],
      clients: clientsOf(flags, problems),
      healthAddress: flags['health-addr'],
      metricsAddress: flags['metrics-addr'],
      certificates: flags['disable-cert-rotation']
        ? { kind: 'files', directory: flags['webhook-cert-dir'] }
        : { kind: 'own', namespace: env.POD_NAMESPACE || 'azure-workload-identity-system' },
      serviceAccountSelector: flags['service-account-selector'],
      classChecks: flags['class-checks'],
      envFiles: flags['env-files'],
      drainMs: flags['drain-time'],
      settings: {
        tenantId,
        authorityHost: authorityHostOf(env, problems),
        audience: flags.audience || standardAudience,
        legacyTokenPath: flags['legacy-token-path'],
        proxy: {
          image: env.PROXY_IMAGE || ownImage,
          initImage: env.PROXY_INIT_IMAGE || ownImage,
          extraArgs: (env.PROXY_ARGS ?? '').split(/\s+/).filter((word) => word !== ''),
          env: proxyEnvironment(env),
          resources: resourcesOf('PROXY_RESOURCES', env, problems),
          initResources: resourcesOf('PROXY_INIT_RESOURCES', env, problems),
          logLevel: flags['log-level'],
        },
        tokenEndpoint: tokenEndpointOf(flags, env, problems),
      },
    },
  }
}

function clientsOf(flags: Flags, problems: Problems): ClientCertificates | undefined {
  const ca = readPem('--client-ca-file', flags['client-ca-file'], problems)
  const names = flags['client-names']
  if (ca === undefined && flags['client-ca-file'] === '' && names.length > 0) {
    problems.add('--client-names', 'needs --client-ca-file')
  }
  return ca === undefined ? undefined : { ca, names }
}

/** Where workloads of the cloud sign in, with a trailing slash. */
function authorityHostOf(env: Environment, problems: Problems): string {
  const name = env.AZURE_ENVIRONMENT ?? ''
  try {
    const cloud = isStackCloud(name)
      ? parseCloudFile(readFileSync(env.AZURE_ENVIRONMENT_FILEPATH ?? '', 'utf8'))
      : findCloud(name)
    if (cloud !== undefined) return `${cloud.authority}/`
    problems.unexpected('AZURE_ENVIRONMENT', name, `one of ${cloudNames.join(', ')}`)
  } catch (error) {
    problems.add('AZURE_ENVIRONMENT_FILEPATH', errorMessage(error))
  }
  return ''
}

/** Variables of ours that are meant for the proxy sidecar: `PROXY_ENV_NAME` becomes its `NAME`. */
function proxyEnvironment(env: Environment): { name: string; value: string }[] {
  return Object.entries(env).flatMap(([key, value = '']) => {
    const name = /^PROXY_ENV_([A-Za-z_][A-Za-z0-9_]*)$/.exec(key)?.[1]
    return name === undefined || value === '' ? [] : [{ name, value }]
  })
}

/** The `resources` of a container, as JSON. Undefined without the variable or for an empty object. */
function resourcesOf(variable: string, env: Environment, problems: Problems): ContainerResources | undefined {
  const text = env[variable] ?? ''
  if (text === '') return undefined
  const resources = parseRecord(text)
  if (resources === undefined) {
    problems.unexpected(variable, text, 'JSON such as {"requests":{"memory":"32Mi"},"limits":{"memory":"128Mi"}}')
    return undefined
  }
  for (const [kind, amounts] of Object.entries(resources)) {
    if (kind !== 'requests' && kind !== 'limits') problems.unexpected(variable, kind, 'requests or limits')
    else if (!isAmounts(amounts)) problems.add(variable, `${kind}: expected an amount for each name of a resource`)
  }
  return Object.keys(resources).length === 0 ? undefined : (resources as ContainerResources)
}

function parseRecord(text: string): Record<string, unknown> | undefined {
  return orUndefined(() => recordOf(parseJson('the text', text)))
}

function isAmounts(value: unknown): boolean {
  const amounts = recordOf(value)
  return (
    amounts !== undefined && Object.values(amounts).every((one) => typeof one === 'string' || typeof one === 'number')
  )
}

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/#syntax-and-character-set */
const annotationName = /^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/

function tokenEndpointOf(flags: Flags, env: Environment, problems: Problems): TokenEndpoint | undefined {
  const suffix = flags['custom-token-endpoint-annotation-suffix']
  const audience = flags['custom-token-endpoint-audience']
  const trust = trustOf(env, problems)
  if (suffix === '' && audience === '') return undefined
  const [name, audienceName] = ['--custom-token-endpoint-annotation-suffix', '--custom-token-endpoint-audience']
  const proxyUrl = env.AZURE_KUBERNETES_TOKEN_PROXY ?? ''
  if (suffix === '') problems.add(name, `missing; ${audienceName} needs it`)
  else if (!annotationName.test(`use-${suffix}`)) {
    problems.add(name, `azure.workload.identity/use-${suffix} is not a valid annotation`)
  }
  if (audience === '') problems.add(audienceName, `missing; ${name} needs it`)
  if (audience.toLowerCase() === standardAudience.toLowerCase()) {
    problems.unexpected(audienceName, audience, 'an audience other than that of Entra')
  }
  if (!/^https:\/\/[^/?#@]+(\/[^?#]*)?$/.test(proxyUrl)) {
    problems.unexpected('AZURE_KUBERNETES_TOKEN_PROXY', proxyUrl, 'an https URL without user, query and fragment')
  }
  const sniName = env.AZURE_KUBERNETES_SNI_NAME ?? ''
  return { annotation: `azure.workload.identity/use-${suffix}`, audience, proxyUrl, sniName, trust }
}

function trustOf(env: Environment, problems: Problems): TokenEndpointTrust {
  const read = (name: string) => env[`AZURE_KUBERNETES_CA_${name}`] ?? ''
  const [pem, configMap, signerName] = [read('DATA'), read('CONFIGMAP_NAME'), read('CTB_SIGNER_NAME')]
  if ([pem, configMap, signerName].filter((value) => value !== '').length > 1) {
    problems.add('AZURE_KUBERNETES_CA_DATA, _CONFIGMAP_NAME, _CTB_SIGNER_NAME', 'only one of them may be set')
  }
  const selector = read('CTB_LABEL_SELECTOR')
  if (selector !== '' && signerName === '') {
    problems.add('AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR', 'needs AZURE_KUBERNETES_CA_CTB_SIGNER_NAME')
  }
  if (pem !== '') return { kind: 'data', pem }
  if (configMap !== '') return { kind: 'configMap', name: configMap }
  if (signerName === '') return { kind: 'system' }
  return { kind: 'trustBundle', signerName, labelSelector: labelSelectorOf(selector, problems) }
}

function labelSelectorOf(text: string, problems: Problems): unknown {
  if (text === '') return undefined
  const value = parseRecord(text)
  if (value !== undefined) return value
  problems.unexpected('AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR', text, 'a LabelSelector as JSON')
  return undefined
}

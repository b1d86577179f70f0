/** Where values of an upstream chart are in charts/keymount: a path, a table of what is below, or why there is none. */
export type ValueTable = { readonly [name: string]: string | ValueTable | Gone }

/** A value without a counterpart. */
export class Gone {
  /** What is right instead. */
  readonly right: string
  constructor(right: string) {
    this.right = right
  }
}

const image = new Gone('remove it, or name a mirror of the image of Keymount in linux.image of charts/keymount')
const sidecar = new Gone('remove it: there are no sidecars')
const json = new Gone('remove it: logs are always JSON lines')
const meaningless = new Gone('remove it: it has no meaning in Keymount')

/** Each name below a path of ours. */
function same(names: readonly string[], below = ''): ValueTable {
  return Object.fromEntries(names.map((name) => [name, below === '' ? name : `${below}.${name}`]))
}

const podValues = [
  'podLabels',
  'podAnnotations',
  'nodeSelector',
  'tolerations',
  'affinity',
  'priorityClassName',
  'updateStrategy',
  'volumes',
  'volumeMounts',
]

const rbac: ValueTable = { install: 'rbac.install', pspEnabled: meaningless }
const places = ['kubeletRootDir', 'providersDir']

function driverOf(os: 'linux' | 'windows'): ValueTable {
  const crds: ValueTable = {
    ...same(['enabled', 'annotations'], 'linux.crds'),
    image,
    resources: sidecar,
    podLabels: sidecar,
  }
  return {
    ...same(['enabled', 'metricsAddr', 'additionalProvidersDirs', ...places], os),
    ...same(['env', 'daemonsetAnnotations', ...podValues], `${os}.driver`),
    driver: { resources: `${os}.driver.resources` },
    image,
    registrarImage: sidecar,
    registrar: sidecar,
    livenessProbeImage: sidecar,
    livenessProbe: sidecar,
    ...(os === 'linux' ? { crds } : {}),
  }
}

/** secrets-store-csi-driver. */
export const driverValues: ValueTable = {
  ...same([
    'enableSecretRotation',
    'rotationPollInterval',
    'tokenRequests',
    'maxCallRecvMsgSize',
    'providerHealthCheck',
    'providerHealthCheckInterval',
    'commonLabels',
    'imagePullSecrets',
    'automountServiceAccountToken',
    'logVerbosity',
    'nameOverride',
    'fullnameOverride',
  ]),
  syncSecret: { enabled: 'syncSecret.enabled' },
  livenessProbe: { port: 'livenessProbe.port', logLevel: sidecar },
  rbac,
  linux: driverOf('linux'),
  windows: driverOf('windows'),
  logFormatJSON: json,
  filteredWatchSecret: meaningless,
  grpcSupportedProviders: meaningless,
  install: 'driver.install',
}

function providerOf(os: 'linux' | 'windows'): ValueTable {
  const health = ['healthzPort', 'healthzPath', 'healthzTimeout', 'customUserAgent']
  return {
    ...same(['enabled', ...places, ...health, ...(os === 'linux' ? ['dnsPolicy', 'privileged'] : [])], os),
    ...same(['resources', ...podValues], `${os}.provider`),
    image,
  }
}

const arc = new Gone('remove it: the Arc extension is not supported')

/** csi-secrets-store-provider-azure, with the driver as its sub-chart. */
export const providerValues: ValueTable = {
  ...same(['imagePullSecrets', 'logVerbosity', 'constructPEMChain', 'writeCertAndKeyInSeparateFiles', 'metricsAddr']),
  rbac,
  linux: providerOf('linux'),
  windows: providerOf('windows'),
  'secrets-store-csi-driver': driverValues,
  Azure: { proxySettings: { ...same(['httpProxy', 'httpsProxy', 'noProxy', 'proxyCert'], 'proxySettings') } },
  image,
  enableArcExtension: arc,
  arc,
  logFormatJSON: json,
  nameOverride: new Gone('fullnameOverride of charts/keymount, which names the DaemonSets of both'),
  fullnameOverride: new Gone('fullnameOverride of charts/keymount, which names the DaemonSets of both'),
}

/** workload-identity-webhook. */
export const webhookValues: ValueTable = {
  ...same(
    [
      'azureTenantID',
      'replicaCount',
      'azureEnvironment',
      'logLevel',
      'metricsAddr',
      'mutatingWebhookAnnotations',
      'mutatingWebhookNamespaceSelector',
      'podDisruptionBudget',
      'customTokenEndpoint',
      'extraEnv',
      'podLabels',
      'podAnnotations',
      'nodeSelector',
      'tolerations',
      'affinity',
      'topologySpreadConstraints',
      'priorityClassName',
      'resources',
    ],
    'webhook',
  ),
  imagePullSecrets: 'imagePullSecrets',
  image,
  nameOverride: meaningless,
  fullnameOverride: meaningless,
  metricsBackend: meaningless,
  revisionHistoryLimit: meaningless,
  extraVolumes: meaningless,
  extraVolumeMounts: meaningless,
  service: meaningless,
}

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

/** Of the one Deployment that makes Secrets. */
const syncValues = ['resources', 'nodeSelector', 'tolerations', 'affinity', 'podLabels', 'podAnnotations']
const podMonitor: ValueTable = {
  ...same(['enabled', 'interval'], 'metrics.podMonitor'),
  additionalLabels: 'metrics.podMonitor.labels',
}
const certificates = new Gone('remove it: SecretSyncs are checked without a webhook')
const kinds = new Gone('remove it: stores and generators become classes, and what is pushed has no counterpart')
const oneNamespace = new Gone(
  'sync.namespaces: the namespaces in which Secrets are made; the controller then has Roles there',
)
const account = new Gone('serviceAccountName of each SecretSync: its identity reads the objects')
const verbosity = new Gone('logVerbosity of charts/keymount: 0 to 10')

/** external-secrets, the operator. */
export const externalSecretsValues: ValueTable = {
  ...same([...syncValues, 'replicaCount', 'priorityClassName'], 'sync'),
  ...same(['imagePullSecrets', 'commonLabels']),
  scopedNamespace: 'sync.namespaces',
  scopedRBAC: oneNamespace,
  rbac: { create: 'rbac.install' },
  serviceMonitor: podMonitor,
  grafanaDashboard: {
    ...same(['enabled', 'annotations'], 'metrics.dashboards'),
    extraLabels: 'metrics.dashboards.labels',
  },
  image,
  installCRDs: new Gone('remove it: the chart has the CustomResourceDefinitions'),
  crds: new Gone('remove it: the chart has the CustomResourceDefinitions'),
  webhook: certificates,
  certController: certificates,
  ...Object.fromEntries(
    ['ClusterExternalSecret', 'ClusterPushSecret', 'ClusterStore', 'SecretStore', 'ClusterGenerator', 'PushSecret'].map(
      (name) => [`process${name}`, kinds],
    ),
  ),
  'bitwarden-sdk-server': kinds,
  serviceAccount: account,
  log: verbosity,
}

/** akv2k8s. */
export const akv2k8sValues: ValueTable = {
  controller: {
    ...same(['enabled', ...syncValues], 'sync'),
    metrics: { serviceMonitor: podMonitor },
    image,
    serviceAccount: account,
    logLevel: verbosity,
    logFormat: json,
    env: account,
    envFromSecret: account,
    keyVaultAuth: account,
  },
  global: {
    metrics: { serviceMonitor: podMonitor, enabled: meaningless },
    logLevel: verbosity,
    logFormat: json,
    env: account,
    envFromSecret: account,
    keyVaultAuth: account,
    userDefinedMSI: account,
  },
  env_injector: new Gone('remove it: keymount migrate replaces the references in pods'),
  rbac: { create: 'rbac.install' },
  watchAllNamespaces: oneNamespace,
  cloudConfig: account,
  addAzurePodIdentityException: meaningless,
  name: meaningless,
}

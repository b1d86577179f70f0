import { request } from 'node:https'
import type { TestContext } from 'node:test'
import {
  createKubeClient,
  type KubeClient,
  type KubeClientOptions,
  loadKubeconfig,
  resources,
  type UntypedObject,
} from '#kubernetes/client'
import { silentLog } from '#lib'
import {
  type RunningWebhook,
  startWebhook,
  type WebhookConfig,
  type WebhookWorld,
  webhookNames,
} from '#product/webhook'
import { eventually } from '../../support/eventually.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'

/** Where everything of these tests is. */
export const namespace = 'azure-workload-identity-system'
export const host = `${webhookNames.service}.${namespace}.svc`

export interface Review {
  apiVersion: string
  kind: string
  response: {
    uid: string
    allowed: boolean
    status?: { code: number; message?: string }
    patchType?: string
    patch?: string
    warnings?: string[]
  }
}

export interface Answer {
  status: number
  /** `close` when the server ends the connection. */
  connection: string | undefined
  body: Review
}

export interface PostOptions {
  /** PEM to trust. Default: the bundle of the webhook configuration, as the API server does it. */
  ca?: string
  body?: string
  contentType?: string
  /** Default: that of pods. */
  path?: string
  /** The client's certificate and key, PEM. Default: none. */
  client?: { cert: string; key: string } | undefined
}

/** A cluster with what the chart installs, and webhooks in front of it, called as the API server calls them. */
export interface WebhookLab {
  kube: KubeClient
  kubeconfig: string
  /** Starts a replica; it ends with the test. `world` may give it a disturbed connection to the API server or a wrong clock. */
  start(overrides?: Partial<WebhookConfig>, world?: Partial<WebhookWorld>): Promise<RunningWebhook>
  ready(webhook: RunningWebhook): Promise<void>
  /** Another client of the API server; it ends with the test. */
  connect(options: KubeClientOptions): KubeClient
  post(port: number, review: object, options?: PostOptions): Promise<Answer>
  /** The CA bundle that the API server would use for pods, or for classes, as PEM. */
  bundle(of?: 'pods' | 'classes'): Promise<string>
}

const common = { group: 'admissionregistration.k8s.io', version: 'v1', namespaced: false }
export const configurationResources = {
  pods: { ...common, plural: 'mutatingwebhookconfigurations', kind: 'MutatingWebhookConfiguration' },
  classes: { ...common, plural: 'validatingwebhookconfigurations', kind: 'ValidatingWebhookConfiguration' },
}

export async function startWebhookLab(t: TestContext): Promise<WebhookLab> {
  const cluster = await startLocalCluster(t)
  const kube = kubeClientOf(t, cluster.kubeconfig)
  await defineValidation(kube)
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } })
  const metadata = { name: webhookNames.secret, namespace }
  await kube.create(resources.secrets, { apiVersion: 'v1', kind: 'Secret', metadata })
  const serviceAt = (path: string) => ({ service: { name: webhookNames.service, namespace, path } })
  await kube.create<UntypedObject>(configurationResources.pods, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: webhookNames.configuration },
    webhooks: [
      {
        name: 'other.example.com',
        admissionReviewVersions: ['v1'],
        clientConfig: { url: 'https://other.example.com', caBundle: 'b3RoZXI=' },
      },
      {
        name: 'mutation.azure-workload-identity.io',
        admissionReviewVersions: ['v1', 'v1beta1'],
        clientConfig: serviceAt('/mutate-v1-pod'),
        objectSelector: { matchLabels: { 'azure.workload.identity/use': 'true' } },
      },
    ],
  })
  await kube.create<UntypedObject>(configurationResources.classes, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name: webhookNames.classConfiguration },
    webhooks: [{ name: 'classes.keymount.dev', clientConfig: serviceAt(classPath) }],
  })

  const lab: WebhookLab = {
    kube,
    kubeconfig: cluster.kubeconfig,
    async start(overrides = {}, world = {}) {
      const webhook = await startWebhook({ ...defaults, ...overrides }, { kube, log: silentLog, ...world })
      t.after(() => webhook.stop())
      return webhook
    },
    connect(options) {
      const client = createKubeClient(loadKubeconfig(cluster.kubeconfig), options)
      t.after(() => client.close())
      return client
    },
    async ready({ healthPort }) {
      await eventually(async () => {
        const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`)
        if (response.status !== 200) throw new Error(await response.text())
      })
    },
    async post(port, review, options = {}) {
      const { path = '/mutate-v1-pod', body = JSON.stringify(review), contentType = 'application/json' } = options
      const { ca = await lab.bundle(path === classPath ? 'classes' : 'pods') } = options
      return post({ port, path, ca, body, contentType, client: options.client })
    },
    async bundle(of = 'pods') {
      const name = of === 'pods' ? webhookNames.configuration : webhookNames.classConfiguration
      const { webhooks } = await kube.get<UntypedObject>(configurationResources[of], { name })
      const entries = webhooks as { clientConfig: { caBundle?: string; service?: object } }[]
      const ours = entries.find(({ clientConfig }) => clientConfig.service !== undefined)
      return Buffer.from(ours?.clientConfig.caBundle ?? '', 'base64').toString('utf8')
    },
  }
  return lab
}

/** Where classes are checked. */
export const classPath = '/validate-secretproviderclass'

const loopback = { host: '127.0.0.1', port: 0 }
const defaults: WebhookConfig = {
  address: loopback,
  minVersion: 'TLSv1.3',
  clients: undefined,
  healthAddress: loopback,
  metricsAddress: loopback,
  certificates: { kind: 'own', namespace, propagationMs: 200 },
  serviceAccountSelector: '',
  classChecks: 'off',
  drainMs: 0,
  settings: {
    tenantId: 'tenant',
    authorityHost: 'https://login.microsoftonline.com/',
    audience: 'api://AzureADTokenExchange',
    legacyTokenPath: false,
    proxy: { image: 'proxy:v1', initImage: 'proxy-init:v1', extraArgs: [], env: [], logLevel: '' },
  },
}

/** The local cluster calls no validating webhooks, but stores their configurations with versions, patches and watches like any kind. */
async function defineValidation(kube: KubeClient): Promise<void> {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  const { group, version, plural, kind } = configurationResources.classes
  await kube.create(resources.customResourceDefinitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}`, annotations: { 'api-approved.kubernetes.io': 'unapproved, for tests' } },
    spec: {
      group,
      scope: 'Cluster',
      names: { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [{ name: version, served: true, storage: true, schema }],
    },
  })
  await eventually(() => kube.list(configurationResources.classes))
}

function post(options: { port: number } & Required<PostOptions>): Promise<Answer> {
  const { port, path, ca, body, contentType, client } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        servername: host,
        port,
        ca,
        ...client,
        method: 'POST',
        path: `${path}?timeout=10s`,
        agent: false,
        headers: { 'content-type': contentType, 'content-length': Buffer.byteLength(body) },
      },
      async (response) => {
        const text = Buffer.concat(await response.toArray()).toString('utf8')
        const { statusCode = 0, headers } = response
        try {
          resolve({ status: statusCode, connection: headers.connection, body: JSON.parse(text) as Review })
        } catch {
          reject(new Error(`${statusCode} ${text}`))
        }
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A request to create a pod, as the API server sends it. */
export function podReview(
  pod: object,
  { apiVersion = 'admission.k8s.io/v1', ...request }: { apiVersion?: string; [field: string]: unknown } = {},
): object {
  return {
    apiVersion,
    kind: 'AdmissionReview',
    request: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      operation: 'CREATE',
      namespace: 'default',
      dryRun: false,
      object: { apiVersion: 'v1', kind: 'Pod', ...pod },
      ...request,
    },
  }
}

export const samplePod = {
  metadata: { generateName: 'app-', labels: { 'azure.workload.identity/use': 'true' } },
  spec: { serviceAccountName: 'app', containers: [{ name: 'app', image: 'app' }] },
}

/** A request to create a SecretProviderClass `app`, as the API server sends it. */
export function classReview(
  spec: object,
  { annotations = {}, apiVersion = 'admission.k8s.io/v1', ...request }: Record<string, unknown> = {},
): object {
  const kind = { group: 'secrets-store.csi.x-k8s.io', version: 'v1', kind: 'SecretProviderClass' }
  return {
    apiVersion,
    kind: 'AdmissionReview',
    request: {
      uid: 'uid-of-request',
      kind,
      resource: { group: kind.group, version: 'v1', resource: 'secretproviderclasses' },
      operation: 'CREATE',
      namespace: 'default',
      dryRun: false,
      object: { apiVersion: `${kind.group}/v1`, kind: kind.kind, metadata: { name: 'app', annotations }, spec },
      ...request,
    },
  }
}

import { request } from 'node:http'
import type { TestContext } from 'node:test'
import { createAcquireToken, createTokenSource } from '#azure/identity'
import { type AssignmentState, type AzureIdentity, type KubeClient, resources } from '#kubernetes/client'
import { silentLog } from '#lib'
import { createHttpClient } from '#lib/http'
import { type NmiConfig, type RunningNmi, startNmi } from '#product/pod-identity'
import { startLocalAzure, type TestAzure, type TestIdentity, testGroup } from '../../support/local-azure.ts'
import { startPodIdentityCluster } from './cluster.ts'

export interface NmiAnswer {
  status: number
  type: string
  retryAfter: string | undefined
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  json: any
}

/** The node endpoint between a local cluster and the IMDS of a local Azure. Pods have addresses of 127.0.0.0/8. */
export interface NmiLab {
  kube: KubeClient
  azure: TestAzure
  nmi: RunningNmi
  /** A request that comes from this address; the header `Metadata: true` is set unless `headers` are given. */
  get(
    path: string,
    options?: { from?: string; headers?: Record<string, string>; signal?: AbortSignal },
  ): Promise<NmiAnswer>
  /** A managed identity that the machine of the node has. */
  createIdentity(name: string): Promise<TestIdentity>
  createPod(name: string, ip: string, options?: PodOptions): Promise<void>
  createIdentityObject(name: string, spec: AzureIdentity['spec'], namespace?: string): Promise<AzureIdentity>
  assign(pod: string, identity: AzureIdentity, state?: AssignmentState): Promise<void>
  bind(name: string, selector: string): Promise<void>
}

export interface PodOptions {
  labels?: Record<string, string>
  phase?: 'Pending' | 'Running' | 'Succeeded'
  hostNetwork?: boolean
  serviceAccountName?: string
}

const node = 'node-0'
export const tokenPath = '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://vault.azure.net'
export const hostPath = '/host/token/?resource=https://vault.azure.net'

export async function startNmiLab(t: TestContext, overrides: Partial<NmiConfig> = {}): Promise<NmiLab> {
  const [azure, { kube }] = await Promise.all([startLocalAzure(t), startPodIdentityCluster(t)])
  const http = createHttpClient()
  t.after(() => http.stop())
  const acquire = createAcquireToken({ send: azure.send, sendOnNode: http.send, imdsEndpoint: azure.imds })
  const loopback = { host: '127.0.0.1', port: 0 }
  const nmi = await startNmi(
    {
      address: loopback,
      healthAddress: loopback,
      metricsAddress: loopback,
      nodeName: node,
      mode: 'standard',
      forceNamespaced: false,
      attemptsForCreated: 2,
      attemptsForAssigned: 2,
      findRetryMs: 20,
      metadataHeaderRequired: true,
      blockInstanceMetadata: false,
      setRetryAfterHeader: false,
      allowCrossNamespaceSecrets: false,
      allowedAuthorities: [],
      controller: { namespace: 'default', serviceAccount: 'aad-pod-identity-mic' },
      imdsEndpoint: azure.imds,
      redirect: undefined,
      ...overrides,
    },
    {
      kube,
      tokens: createTokenSource({ acquire }),
      run: async () => ({ status: undefined, stdout: '', stderr: '' }),
      processStatus: '',
      log: silentLog,
    },
  )
  t.after(() => nmi.stop())

  const machine = `/subscriptions/${azure.administrator.subscriptionId}/resourceGroups/${testGroup}/providers/Microsoft.Compute/virtualMachineScaleSets/nodes`
  const apiVersion = 'aadpodidentity.k8s.io/v1'
  return {
    kube,
    azure,
    nmi,
    get: (path, options = {}) => get(nmi.port, path, options),
    async createIdentity(name) {
      const identity = await azure.createIdentity(name)
      const userAssignedIdentities = { [identity.id]: {} }
      const before = await azure.arm.get(machine).catch(() => undefined)
      const body = {
        location: 'westeurope',
        properties: {},
        identity: { type: 'UserAssigned', userAssignedIdentities },
      }
      await (before === undefined
        ? azure.arm.put(machine, body)
        : azure.arm('PATCH', machine, { identity: body.identity }))
      return identity
    },
    async createPod(
      name,
      ip,
      { labels = {}, phase = 'Running', hostNetwork = false, serviceAccountName = 'default' } = {},
    ) {
      await kube.create(resources.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { namespace: 'default', name, labels },
        spec: { nodeName: node, hostNetwork, serviceAccountName, containers: [{ name: 'app', image: 'busybox' }] },
      })
      const status = { phase, podIP: ip, podIPs: [{ ip }] }
      await kube.patch(resources.pods, { namespace: 'default', name }, { status }, { subresource: 'status' })
    },
    createIdentityObject: (name, spec, namespace = 'default') =>
      kube.create(resources.azureIdentities, {
        apiVersion,
        kind: 'AzureIdentity',
        metadata: { namespace, name },
        spec,
      }),
    async assign(pod, identity, state = 'Assigned') {
      const { name = '', namespace = '' } = identity.metadata
      await kube.create(resources.azureAssignedIdentities, {
        apiVersion,
        kind: 'AzureAssignedIdentity',
        metadata: { namespace: 'default', name: `${pod}-default-${name}`, labels: { nodename: node } },
        spec: {
          azureIdentityRef: { ...identity, metadata: { name, namespace } },
          azureBindingRef: { apiVersion, kind: 'AzureIdentityBinding', metadata: { name, namespace }, spec: {} },
          pod,
          podNamespace: 'default',
          nodename: node,
        },
        status: { status: state, availableReplicas: 1 },
      })
    },
    async bind(name, selector) {
      const metadata = { namespace: 'default', name: `${name}-binding` }
      const spec = { azureIdentity: name, selector }
      await kube.create(resources.azureIdentityBindings, { apiVersion, kind: 'AzureIdentityBinding', metadata, spec })
    },
  }
}

function get(
  port: number,
  path: string,
  { from = '127.0.0.1', headers = { metadata: 'true' }, signal }: Parameters<NmiLab['get']>[1] & object,
): Promise<NmiAnswer> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      path,
      headers,
      localAddress: from,
      agent: false,
      ...(signal && { signal }),
    }
    const outgoing = request(options, async (response) => {
      const text = Buffer.concat(await response.toArray()).toString('utf8')
      const type = response.headers['content-type'] ?? ''
      resolve({
        status: response.statusCode ?? 0,
        type,
        retryAfter: response.headers['retry-after'],
        text,
        json: type.startsWith('application/json') ? JSON.parse(text) : undefined,
      })
    })
    outgoing.on('error', reject)
    outgoing.end()
  })
}

/** The claims of a token. */
export function claims(token: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>
}

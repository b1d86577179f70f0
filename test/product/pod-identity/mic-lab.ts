import { readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { createAzureClient, createEntraTokens } from '#azure/rest'
import { type AzureIdentity, type KubeClient, type Pod, resources } from '#kubernetes/client'
import { silentLog } from '#lib'
import { createHttpClient } from '#lib/http'
import { cloudConfigOfEnvironment, type MicConfig, type RunningMic, startMic } from '#product/pod-identity'
import { eventually } from '../../support/eventually.ts'
import { startLocalAzure, type TestAzure, type TestIdentity, testGroup } from '../../support/local-azure.ts'
import { startPodIdentityCluster } from './cluster.ts'
import { micDefaults } from './mic-defaults.ts'

/** The controller between a local cluster and a local Azure, both of them real, with nodes that exist as objects only. */
export interface MicLab {
  kube: KubeClient
  kubeconfig: string
  azure: TestAzure
  mic: RunningMic
  /** Starts a further replica. */
  startReplica(overrides?: Partial<MicConfig>): Promise<RunningMic>
  /** Makes a scale set and its nodes, `NAME-0` and so on. */
  createScaleSet(name: string, options?: { nodes?: number; identity?: unknown }): Promise<string[]>
  /** Makes a virtual machine and its node, of one name. */
  createMachine(name: string): Promise<string>
  /** An AzureIdentity for a new managed identity, and its binding, whose selector is the name. */
  bind(name: string, options?: BindOptions): Promise<TestIdentity>
  /** Resource Manager's id of a scale set or machine. */
  machineId(name: string): string
  createPod(name: string, options: PodOptions): Promise<void>
  deletePod(name: string, namespace?: string): Promise<void>
  /** Names of the managed identities that the machine has. */
  identitiesOf(machine: string): Promise<string[]>
  /** `name state` of every assignment, sorted. */
  assignments(): Promise<string[]>
  /** Waits for {@link assignments} to be these. */
  assignmentsAre(...expected: string[]): Promise<void>
  identitiesAre(machine: string, ...names: string[]): Promise<void>
  eventsOf(about: string): Promise<string[]>
}

export interface BindOptions {
  namespace?: string
  selector?: string
  /** Default: a new managed identity of that name. */
  identity?: TestIdentity
  spec?: AzureIdentity['spec']
  annotations?: Record<string, string>
}

export interface PodOptions {
  node: string
  selector: string
  namespace?: string
}

export interface MicLabOptions extends Partial<MicConfig> {
  /** More of the environment, such as the cluster's own identity. */
  env?: Record<string, string>
}

export async function startMicLab(t: TestContext, { env = {}, ...overrides }: MicLabOptions = {}): Promise<MicLab> {
  const [azure, { kube, kubeconfig }] = await Promise.all([startLocalAzure(t), startPodIdentityCluster(t)])
  const { tenantId, subscriptionId, clientId, clientSecret } = azure.administrator
  const config = cloudConfigOfEnvironment({
    TENANT_ID: tenantId,
    CLIENT_ID: clientId,
    CLIENT_SECRET: clientSecret,
    SUBSCRIPTION_ID: subscriptionId,
    RESOURCE_GROUP: testGroup,
    ...env,
  })
  const http = createHttpClient({
    proxyEnv: { HTTPS_PROXY: azure.proxyUrl },
    extraCa: readFileSync(azure.caFile, 'utf8'),
  })
  t.after(() => http.stop())
  const { cloud } = config
  const tokens = createEntraTokens({ cloud, credential: async () => config.credential, send: http.send })
  const { resourceManager } = createAzureClient({ cloud, tokens, send: http.send })

  const startReplica = async (more: Partial<MicConfig> = {}) => {
    const mic = await startMic(
      { ...micDefaults, ...overrides, ...more },
      { kube, resourceManager, cloudConfig: () => config, log: silentLog, onLost: () => undefined },
    )
    t.after(() => mic.stop())
    return mic
  }
  const mic = await startReplica()

  const group = `/subscriptions/${subscriptionId}/resourceGroups/${testGroup}`
  const compute = `${group}/providers/Microsoft.Compute`
  const createNode = (name: string, providerID: string) =>
    kube.create(resources.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec: { providerID } })
  const machines = new Map<string, string>()

  const lab: MicLab = {
    kube,
    kubeconfig,
    azure,
    mic,
    startReplica,
    async createScaleSet(name, { nodes = 1, identity } = {}) {
      const id = `${compute}/virtualMachineScaleSets/${name}`
      machines.set(name, id)
      await azure.arm.put(id, { location: 'westeurope', properties: {}, ...(identity !== undefined && { identity }) })
      const names = Array.from({ length: nodes }, (_, i) => `${name}-${i}`)
      for (const [i, node] of names.entries()) await createNode(node, `azure://${id}/virtualMachines/${i}`)
      return names
    },
    async createMachine(name) {
      const id = `${compute}/virtualMachines/${name}`
      machines.set(name, id)
      await azure.arm.put(id, { location: 'westeurope', properties: {} })
      await createNode(name, `azure://${id}`)
      return name
    },
    machineId: (name) => machines.get(name) ?? '',
    async bind(name, { namespace = 'default', selector = name, spec, annotations, ...options } = {}) {
      const identity = options.identity ?? (await azure.createIdentity(name))
      await kube.create(resources.azureIdentities, {
        apiVersion: 'aadpodidentity.k8s.io/v1',
        kind: 'AzureIdentity',
        metadata: { name, namespace, ...(annotations !== undefined && { annotations }) },
        spec: spec ?? { type: 0, resourceID: identity.id, clientID: identity.clientId },
      })
      await kube.create(resources.azureIdentityBindings, {
        apiVersion: 'aadpodidentity.k8s.io/v1',
        kind: 'AzureIdentityBinding',
        metadata: { name: `${name}-binding`, namespace },
        spec: { azureIdentity: name, selector },
      })
      return identity
    },
    async createPod(name, { node, selector, namespace = 'default' }) {
      const pod: Pod = {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace, labels: { aadpodidbinding: selector } },
        spec: { nodeName: node, containers: [{ name: 'app', image: 'busybox' }] },
      }
      await kube.create(resources.pods, pod)
    },
    async deletePod(name, namespace = 'default') {
      await kube.delete(resources.pods, { name, namespace }, { gracePeriodSeconds: 0 })
    },
    async identitiesOf(machine) {
      const { identity } = await azure.arm.get(machines.get(machine) ?? '')
      const ids = Object.keys(identity?.userAssignedIdentities ?? {})
      return ids.map((id) => id.split('/').at(-1) ?? '').toSorted()
    },
    async assignments() {
      const { items } = await kube.list(resources.azureAssignedIdentities)
      return items.map((one) => `${one.metadata.name} ${one.status?.status}`).toSorted()
    },
    async assignmentsAre(...expected) {
      await until(() => lab.assignments(), expected.toSorted())
    },
    async identitiesAre(machine, ...names) {
      await until(() => lab.identitiesOf(machine), names.toSorted())
    },
    async eventsOf(about) {
      const { items } = await kube.list(resources.events)
      return items
        .filter(({ involvedObject }) => involvedObject.name === about)
        .map(({ type, reason, message }) => `${type} ${reason}: ${message}`)
    },
  }
  return lab
}

async function until(look: () => Promise<string[]>, expected: readonly string[]): Promise<void> {
  await eventually(async () => {
    const found = await look()
    if (found.join('\n') !== expected.join('\n'))
      throw new Error(`found ${found.join(', ')}; expected ${expected.join(', ')}`)
  })
}

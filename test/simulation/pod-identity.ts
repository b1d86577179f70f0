import { type AzureAssignedIdentity, type KubeObject, type Resource, resources } from '#kubernetes/client'
import { createMicMetrics } from '../../src/product/pod-identity/mic/mic-metrics.ts'
import { assignIdentities, type LeaderWorld, type MicConfig } from '../../src/product/pod-identity/mic/start-mic.ts'
import { podIdentityDefinitions } from '../product/pod-identity/cluster.ts'
import { micDefaults } from '../product/pod-identity/mic-defaults.ts'
import { type LeadingProgram, type LeadingReplica, startReplicas } from './leading-replicas.ts'
import { repeatWhileStormy } from './repeat.ts'
import { clusterScenario, type SimulatedCluster } from './scenario.ts'
import type { SimulatedApiServer } from './simulated-api-server.ts'
import { createMachines, type SimulatedMachines } from './simulated-machines.ts'
import { serviceAccount } from './simulated-objects.ts'
import { runStormThenCalm } from './storm.ts'

const stormMs = 12 * 60_000
/** Long enough for an election, the longest pause between cycles, and a check of the machines. */
const calmMs = 12 * 60_000
const nodeNames = ['node-1', 'node-2']
const identityNames = ['orders', 'payments', 'reports']
const namespace = 'default'

interface Cluster extends SimulatedCluster {
  machines: SimulatedMachines
  replicas: LeadingReplica[]
  pods: number
  /** Identities whose assignment ended before it was recorded as Assigned, by node and id: they may stay, see planMachines(). */
  unrecorded: Set<string>
}

/**
 * Replicas of the controller of pod identity, pods that come and go, and machines in Azure. An assignment is Assigned only
 * once its machine has the identity; and in the end each machine has exactly the identities of its pods, except for one that
 * was given up before it was recorded as Assigned: it may be an administrator's.
 */
export const podIdentity = clusterScenario('pod identity', async ({ world, server }) => {
  const machines = createMachines(world, nodeNames)
  const cluster: Cluster = { world, server, machines, replicas: [], pods: 0, unrecorded: new Set() }
  await createObjects(cluster)
  watchAssignments(cluster)
  cluster.replicas = startReplicas(cluster, 'mic', {
    restartMs: [200, 30_000],
    work: (program) => assignIdentities(config, leaderWorld(cluster, program)),
  })
  repeatWhileStormy(world, [1000, 30_000], () => step(cluster))
  await runStormThenCalm(world, { stormMs, calmMs })
  await checkEnd(cluster)
})

function identityId(name: string): string {
  return `/subscriptions/s/resourcegroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
}

async function createObjects({ server: { admin }, machines }: Cluster): Promise<void> {
  for (const definition of podIdentityDefinitions) await admin.create(resources.customResourceDefinitions, definition)
  await admin.create(resources.serviceAccounts, serviceAccount(namespace))
  for (const name of nodeNames) {
    const spec = { providerID: `azure://${machines.idOf(name)}` }
    await admin.create(resources.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name }, spec })
  }
  const apiVersion = 'aadpodidentity.k8s.io/v1'
  for (const name of identityNames) {
    await admin.create(resources.azureIdentities, {
      apiVersion,
      kind: 'AzureIdentity',
      metadata: { name, namespace },
      spec: { type: 0, resourceID: identityId(name), clientID: `client-of-${name}` },
    })
    await createBinding(admin, name)
  }
}

async function createBinding(admin: SimulatedApiServer['admin'], name: string): Promise<void> {
  await admin.create(resources.azureIdentityBindings, {
    apiVersion: 'aadpodidentity.k8s.io/v1',
    kind: 'AzureIdentityBinding',
    metadata: { name, namespace },
    spec: { azureIdentity: name, selector: name },
  })
}

/** What is written about an assignment is true at that moment, in a world where only the controller changes machines. */
function watchAssignments({ world, server, machines, unrecorded }: Cluster): void {
  server.store.follow(server.store.revision, ({ resource, type, object, previous }) => {
    if (resource !== 'azureassignedidentities.aadpodidentity.k8s.io') return
    const { spec, status } = object as unknown as AzureAssignedIdentity
    const before = previous as unknown as AzureAssignedIdentity | undefined
    const id = spec.azureIdentityRef.spec.resourceID ?? ''
    const ends = type === 'DELETED' || status?.status === 'Unassigned'
    if (ends && before?.status?.status === 'Created') unrecorded.add(`${spec.nodename} ${id.toLowerCase()}`)
    if (ends || status?.status !== 'Assigned' || before?.status?.status === 'Assigned') return
    if (machines.everHad(spec.nodename, id)) return
    world.violate(`${object.metadata.name} is Assigned, and ${spec.nodename} never had its identity`)
  })
}

const config: MicConfig = { ...micDefaults, updateRetryMs: 1000 }

function leaderWorld({ machines }: Cluster, { kube, log, clock, process, onLost }: LeadingProgram): LeaderWorld {
  return {
    kube,
    log,
    clock,
    onLost,
    metrics: createMicMetrics(),
    resourceManager: machines.serviceFor(process),
    cloudConfig: () => ({ subscriptionId: 's', resourceGroup: 'g', clusterIdentity: undefined }),
  } as unknown as LeaderWorld
}

async function step(cluster: Cluster): Promise<void> {
  const { world, replicas, server } = cluster
  const { random } = world
  const { process, network } = random.pick(replicas)
  const steps: (() => void | Promise<void>)[] = [
    () => createPod(cluster),
    () => createPod(cluster),
    () => deleteOne(cluster, resources.pods),
    () => deleteOne(cluster, resources.pods),
    () => process.kill('killed'),
    () => process.pause(random.between(100, 15_000)),
    () => process.stepWallClock(random.between(-1, 1) * 24 * 3_600_000),
    () => network.partition(random.between(1000, 40_000)),
    async () => {
      const name = random.pick(identityNames)
      const { items } = await server.admin.list(resources.azureIdentityBindings, { namespace })
      const isThere = items.some(({ metadata }) => metadata.name === name)
      world.note(`the binding ${name} is ${isThere ? 'deleted' : 'created'}`)
      if (isThere) await server.admin.delete(resources.azureIdentityBindings, { name, namespace })
      else await createBinding(server.admin, name)
    },
  ]
  await random.pick(steps)()
}

async function createPod(cluster: Cluster): Promise<void> {
  const { world, server } = cluster
  const name = `pod-${++cluster.pods}`
  const selector = world.random.pick(identityNames)
  const nodeName = world.random.pick(nodeNames)
  world.note(`${name} with identity ${selector} arrives on ${nodeName}`)
  await server.admin.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, labels: { aadpodidbinding: selector } },
    spec: { nodeName, containers: [{ name: 'app', image: 'app' }] },
  })
}

async function deleteOne<T extends KubeObject>({ world, server }: Cluster, resource: Resource<T>): Promise<void> {
  const { items } = await server.admin.list(resource, { namespace })
  if (items.length === 0) return
  const { name = '' } = world.random.pick(items).metadata
  world.note(`${name} is deleted`)
  await server.admin.delete(resource, { name, namespace }, { gracePeriodSeconds: 0 })
}

async function checkEnd({ world, server, machines, unrecorded }: Cluster): Promise<void> {
  const { admin } = server
  const pods = (await admin.list(resources.pods, { namespace })).items
  const bindings = (await admin.list(resources.azureIdentityBindings, { namespace })).items
  const bound = new Set(bindings.map(({ metadata }) => metadata.name))
  const wanted = pods.flatMap(({ metadata, spec }) => {
    const selector = metadata.labels?.aadpodidbinding ?? ''
    return bound.has(selector) ? [{ pod: metadata.name ?? '', node: spec.nodeName ?? '', selector }] : []
  })
  for (const node of nodeNames) {
    const expected = new Set(
      wanted.filter((one) => one.node === node).map(({ selector }) => identityId(selector).toLowerCase()),
    )
    const found = machines.identitiesOf(node).filter((id) => expected.has(id) || !unrecorded.has(`${node} ${id}`))
    if ([...expected].toSorted().join() !== found.join()) {
      world.violate(
        `${node} has ${found.join(', ') || 'nothing'}, its pods need ${[...expected].join(', ') || 'nothing'}`,
      )
    }
  }
  const { items } = await admin.list(resources.azureAssignedIdentities)
  const states = items.map(({ spec, status }) => `${spec.pod} ${spec.azureIdentityRef.metadata.name} ${status?.status}`)
  const expected = wanted.map(({ pod, selector }) => `${pod} ${selector} Assigned`)
  if (states.toSorted().join() !== expected.toSorted().join()) {
    world.violate(`assignments are ${states.join(', ') || 'none'}, expected ${expected.join(', ') || 'none'}`)
  }
}

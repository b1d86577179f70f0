import { X509Certificate } from 'node:crypto'
import { createKubeClient, resources } from '#kubernetes/client'
import { bundleHas } from '../../src/product/webhook/certificates/ca-bundle.ts'
import { maintainCertificates } from '../../src/product/webhook/certificates/maintain-certificates.ts'
import type { ServingCertificate } from '../../src/product/webhook/certificates/serving-certificate.ts'
import {
  mutatingConfigurations,
  type WebhookConfiguration,
} from '../../src/product/webhook/certificates/webhook-configuration.ts'
import { calmReplicas } from './disturb-replica.ts'
import { connectToApiServer, type Network } from './network.ts'
import { repeat } from './repeat.ts'
import { clusterScenario, type SimulatedCluster } from './scenario.ts'
import { type SimulatedApiServer, serverUrl } from './simulated-api-server.ts'
import { createNamespace } from './simulated-objects.ts'
import { createProcess, type SimulatedProcess } from './simulated-process.ts'
import { runStormThenCalm } from './storm.ts'
import { epoch, type World } from './world.ts'

const hourMs = 3_600_000
const stormMs = 1.5 * hourMs
const calmMs = 2 * hourMs
/** A certificate is valid for a year, and replaced this long before its end: some 40 minutes after it was issued. */
const lookaheadMs = 365 * 24 * hourMs - 40 * 60_000
/** What the API servers take at most to see a change of the configuration; the webhook counts on 30 s. */
const lagMs = 25_000

const namespace = 'keymount-system'
const service = { name: 'webhook', namespace }
const secretName = 'webhook-certificate'
const configurationName = 'webhook'

interface Replica {
  name: string
  process: SimulatedProcess
  network: Network
  served: ServingCertificate | undefined
  /** When that is valid, in milliseconds since the epoch. */
  validity: { from: number; to: number }
}

interface Fleet extends SimulatedCluster {
  replicas: Replica[]
  /** The configuration as it was, newest last. */
  configurations: { since: number; bundle: string }[]
  /** Certificates that were written into the Secret. */
  issued: number
}

/**
 * Replicas of the webhook that share a certificate, and API servers that call them with a view of the configuration that is
 * some seconds old. Every call finds a certificate that it trusts and that is valid, whatever becomes of replicas, clocks and
 * connections; and certificates are issued when they are due, and not more often.
 */
export const webhookCertificates = clusterScenario('webhook certificates', async ({ world, server }) => {
  const fleet: Fleet = { world, server, replicas: [], configurations: [], issued: 0 }
  await createObjects(server)
  watchObjects(fleet)
  for (const name of ['webhook-1', 'webhook-2', 'webhook-3']) {
    const replica = { name } as Replica
    fleet.replicas.push(replica)
    startReplica(fleet, replica)
  }
  repeat(world, [3000, 25_000], () => callReplica(fleet))
  repeat(world, [10_000, 300_000], () => world.stormy && disturb(fleet))
  await runStormThenCalm(world, { stormMs, calmMs, onCalm: () => calmReplicas(world, fleet.replicas) })
  checkEnd(fleet)
})

async function createObjects(server: SimulatedApiServer): Promise<void> {
  const { admin } = server
  await createNamespace(server, namespace)
  await admin.create(resources.secrets, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: secretName, namespace },
    type: 'Opaque',
  })
  await admin.create(mutatingConfigurations, {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: configurationName },
    webhooks: [
      {
        name: 'mutation.example.com',
        clientConfig: { service: { ...service, path: '/mutate-v1-pod' } },
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        // So that it concerns nothing in the simulation.
        objectSelector: { matchLabels: { 'in-the-simulation': 'never' } },
      },
    ],
  } as unknown as WebhookConfiguration)
}

function watchObjects(fleet: Fleet): void {
  const { world, server } = fleet
  server.store.follow(server.store.revision, ({ resource, object }) => {
    if (resource === 'secrets' && object.metadata.name === secretName) {
      const hasCertificate = 'tls.crt' in ((object as { data?: object }).data ?? {})
      if (hasCertificate) fleet.issued++
    }
    if (resource !== 'mutatingwebhookconfigurations.admissionregistration.k8s.io') return
    const { webhooks = [] } = object as unknown as WebhookConfiguration
    const bundle = Buffer.from(webhooks[0]?.clientConfig.caBundle ?? '', 'base64').toString('utf8')
    fleet.configurations.push({ since: world.time.now, bundle })
  })
}

function startReplica(fleet: Fleet, replica: Replica): void {
  const { world, server } = fleet
  const { random } = world
  const process = createProcess(world, replica.name, { crashChance: 0.002, clockDrift: 0.0001 })
  const network = connectToApiServer(world, server, process)
  const { clock } = process
  process.stepWallClock(random.between(-1, 1) * 60_000)
  const kube = createKubeClient(
    { server: serverUrl, namespace },
    { transport: network.transport, clock, random: random.next },
  )
  Object.assign(replica, { process, network, served: undefined })
  process.onKill(() => {
    replica.served = undefined
    world.time.after(random.between(500, 60_000), () => startReplica(fleet, replica))
  })
  maintainCertificates({
    kube,
    log: world.logOf(replica.name),
    clock,
    service,
    secretName,
    configurations: [{ resource: mutatingConfigurations, name: configurationName, rule, required: true }],
    lookaheadMs,
    onCertificate(certificate) {
      replica.served = certificate
      const { validFromDate, validToDate } = new X509Certificate(certificate.cert)
      replica.validity = { from: validFromDate.getTime(), to: validToDate.getTime() }
      world.count('certificate served')
      world.note(`${replica.name} serves a certificate`)
    },
    canServe: Promise.resolve(),
    onRegistered: () => world.count('registration seen'),
    onClock: () => undefined,
  })
}

const rule = { operations: ['CREATE'], apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], scope: '*' } as const

/** An API server calls a replica that is ready, with the configuration as it sees it. */
function callReplica({ world, replicas, configurations }: Fleet): void {
  const { random, time } = world
  const ready = replicas.filter(({ process, served }) => process.alive && served !== undefined)
  if (ready.length === 0) return
  const { name, served, validity } = random.pick(ready)
  if (served === undefined) return
  const seenAt = time.now - random.between(0, lagMs)
  const bundle = configurations.findLast(({ since }) => since <= seenAt)?.bundle ?? ''
  world.count('admission call')
  // An API server that has not seen the first bundle yet cannot call the webhook at all.
  if (bundle === '') return
  if (!bundleHas(bundle, served.ca)) world.violate(`${name} presents a certificate that its caller does not trust`)
  const now = epoch + time.now
  if (now < validity.from || now > validity.to) {
    world.violate(`${name} presents a certificate that is valid from ${new Date(validity.from).toISOString()}`)
  }
}

function disturb(fleet: Fleet): void {
  const { world, server, replicas } = fleet
  const { random } = world
  const { process, network } = random.pick(replicas)
  if (!process.alive) return
  const disturbances = [
    () => process.kill('killed'),
    () => process.pause(random.between(100, 20_000)),
    () => network.partition(random.between(1000, 120_000)),
    () => process.stepWallClock(random.between(-1, 1) * 365 * 24 * hourMs),
    () => process.stepWallClock(random.between(-1, 1) * 5 * 60_000),
    // The clock is set right.
    () => process.stepWallClock(epoch + world.time.now - process.clock.now()),
    () => void emptySecret(world, server),
  ]
  random.pick(disturbances)()
}

/** An administrator wants a new certificate. */
async function emptySecret(world: World, { admin }: SimulatedApiServer): Promise<void> {
  world.count('Secret emptied')
  world.note('an administrator empties the Secret')
  await admin.patch(resources.secrets, { name: secretName, namespace }, { data: null })
}

function checkEnd({ world, server, replicas, issued }: Fleet): void {
  const secret = server.store.get('secrets', namespace, secretName) as { data?: Record<string, string> } | undefined
  const cert = Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64').toString('utf8')
  const age = epoch + world.time.now - new X509Certificate(cert).validFromDate.getTime() - hourMs
  // Due after 40 minutes, and looked at hourly.
  if (age > 105 * 60_000) world.violate(`the certificate is ${Math.round(age / 60_000)} minutes old`)
  for (const { name, served } of replicas) {
    if (served === undefined) world.violate(`${name} serves nothing at the end`)
    // One that was issued just now is not served yet.
    else if (served.cert !== cert && age > 5 * 60_000)
      world.violate(`${name} serves another certificate than the others`)
  }
  const emptied = world.counts.get('Secret emptied') ?? 0
  // Due every forty minutes, or thirty by a clock that is ahead as far as is tolerated; two replicas may issue one after the other.
  const allowed = 2 + emptied + 2 * Math.ceil((stormMs + calmMs) / (25 * 60_000))
  if (issued > allowed) world.violate(`${issued} certificates were issued, ${allowed} would have been enough`)
}

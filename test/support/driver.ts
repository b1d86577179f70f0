import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Client, credentials, type ServiceError } from '@grpc/grpc-js'
import {
  type KubeClient,
  type KubeEvent,
  type Pod,
  resources,
  type SecretProviderClass,
  type SecretProviderClassPodStatus,
} from '#kubernetes/client'
import { IdentityClient, NodeClient, type NodePublishVolumeRequest } from '#kubernetes/csi'
import { type Clock, createLog, systemClock, type Tracer } from '#lib'
import { driverProgram, type Mounter, type RunningDriver, startDriver as start } from '#product/driver'
import { configOf } from './config-of.ts'
import { createDefinitions } from './custom-resources.ts'
import { createFakeMounter } from './fake-mounter.ts'
import { type FakeProvider, objectsAttribute, startFakeProvider } from './fake-provider.ts'
import { kubeClientOf } from './kube-client-of.ts'
import { startLocalCluster } from './local-cluster.ts'
import { createManualClock, type ManualClock } from './manual-clock.ts'
import { readMetrics } from './metrics.ts'
import { podVolume, type TestPod } from './pod-volume.ts'
import { temporaryDirectory } from './temporary-directory.ts'

export interface DriverOverrides {
  /** More flags; later ones win. */
  flags?: readonly string[]
  clock?: Clock
  mounter?: Mounter
  tracer?: Tracer
  /** Puts something between the driver and the API server. */
  kube?: (client: KubeClient) => KubeClient
  /** Place of the rotation tick, 0 to 1. Default 0. */
  tickOffset?: number
}

type Unary<Request, Response> = (
  request: Request,
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown

/** A driver as kubelet sees it, with a provider and a real API server beside it. */
export interface TestDriver {
  readonly root: string
  readonly kubeletRoot: string
  readonly endpoint: string
  /** File, of the API server's administrator. */
  readonly kubeconfig: string
  readonly kube: KubeClient
  readonly provider: FakeProvider
  readonly mounter: Mounter
  /** Lines that the driver logged. */
  readonly log: readonly string[]
  node: NodeClient
  identity: IdentityClient
  running: RunningDriver
  /** Stops the driver and starts it again on the same directories; volumes stay mounted. */
  restart(overrides?: DriverOverrides): Promise<void>
  /** A pod that exists, with one volume that names a class that exists. */
  pod(options?: PodOptions): Promise<TestPod>
  /** The same, whose volume is mounted. */
  mountedPod(options?: PodOptions): Promise<TestPod>
  createClass(name: string, spec: SecretProviderClass['spec'], namespace?: string): Promise<SecretProviderClass>
  publish(request: NodePublishVolumeRequest): Promise<void>
  unpublish(request: { volumeId: string; targetPath: string }): Promise<void>
  statuses(namespace?: string): Promise<SecretProviderClassPodStatus[]>
  /** Those that the driver wrote. */
  events(namespace?: string): Promise<KubeEvent[]>
  get(path: string, port: number | undefined): Promise<{ status: number; body: string }>
  metrics(): Promise<string>
}

export interface PodOptions {
  name?: string
  namespace?: string
  className?: string
  volume?: string
  objects?: readonly string[]
  parameters?: Record<string, string>
  ownerReferences?: Pod['metadata']['ownerReferences']
  secretObjects?: NonNullable<SecretProviderClass['spec']>['secretObjects']
}

export const driverNodeId = 'node-1'

const eventSource = 'secrets-store-csi-driver'

/** Flags with which volumes are checked every two minutes. */
export const rotating = ['--enable-secret-rotation', '--rotation-poll-interval=2m'] as const

/** A driver that checks its volumes every two minutes, by a clock that only the test moves. */
export async function startRotatingDriver(t: TestContext): Promise<{ driver: TestDriver; clock: ManualClock }> {
  const clock = createManualClock()
  return { clock, driver: await startDriver(t, { flags: rotating, clock }) }
}

export async function startDriver(t: TestContext, overrides: DriverOverrides = {}): Promise<TestDriver> {
  const root = temporaryDirectory(t, 'keymount-driver-')
  // The cluster's own node agent must not run the pods: this test is kubelet.
  const cluster = await startLocalCluster(t, { nodeName: 'another-node' })
  const kube = kubeClientOf(t, cluster.kubeconfig)
  await createDefinitions(kube)
  const kubeletRoot = join(root, 'kubelet')
  const endpoint = `unix://${join(root, 'csi', 'csi.sock')}`
  const providerDirectory = join(root, 'providers')
  const additionalDirectory = join(root, 'more-providers')
  const registrationDirectory = join(root, 'registration')
  for (const directory of [kubeletRoot, additionalDirectory, registrationDirectory])
    mkdirSync(directory, { recursive: true })
  const provider = await startFakeProvider(providerDirectory)
  t.after(() => provider.stop())
  const mounter = overrides.mounter ?? createFakeMounter()
  const log: string[] = []
  const flags = [
    `--endpoint=${endpoint}`,
    `--nodeid=${driverNodeId}`,
    `--provider-volume=${providerDirectory}`,
    `--additional-provider-volume-paths=${additionalDirectory}`,
    `--registration-dir=${registrationDirectory}`,
    '--metrics-addr=127.0.0.1:0',
    '--health-addr=127.0.0.1:0',
  ]
  const launch = (more: DriverOverrides) =>
    start(configOf(driverProgram, [...flags, ...(more.flags ?? [])]), {
      kube: (more.kube ?? ((client: KubeClient) => client))(kube),
      mounter,
      version: 'v0.0.0-test',
      clock: more.clock ?? systemClock,
      tracer: more.tracer,
      tickOffset: more.tickOffset ?? 0,
      log: createLog({ name: 'driver', level: 'debug', stream: { write: (line) => log.push(line) } }),
    })
  const address = `unix:${join(root, 'csi', 'csi.sock')}`

  const driver: TestDriver = {
    root,
    kubeletRoot,
    endpoint,
    kubeconfig: cluster.kubeconfig,
    kube,
    provider,
    mounter,
    log,
    ...connect(address),
    running: await launch(overrides),

    async restart(more = {}) {
      for (const client of [driver.node, driver.identity]) client.close()
      await driver.running.stop()
      driver.running = await launch({ ...overrides, ...more })
      Object.assign(driver, connect(address))
    },

    async createClass(name, spec, namespace = 'default') {
      const metadata = { name, namespace }
      const kind = { apiVersion: 'secrets-store.csi.x-k8s.io/v1', kind: 'SecretProviderClass' }
      return kube.create(resources.secretProviderClasses, {
        ...kind,
        metadata,
        ...(spec === undefined ? {} : { spec }),
      })
    },

    pod: (options) => createPod(driver, options),

    async mountedPod(options) {
      const pod = await driver.pod(options)
      await driver.publish(pod.request)
      return pod
    },

    async publish(request) {
      await unary(driver.node, driver.node.nodePublishVolume, request)
    },
    async unpublish({ volumeId, targetPath }) {
      await unary(driver.node, driver.node.nodeUnpublishVolume, { volumeId, targetPath })
    },
    statuses: async (namespace = 'default') =>
      (await kube.list(resources.secretProviderClassPodStatuses, { namespace })).items,
    events: async (namespace = 'default') =>
      (await kube.list(resources.events, { namespace })).items.filter(
        ({ source }) => source?.component === eventSource,
      ),
    get: (path, port) => httpGet(path, port ?? 0),
    metrics: async () => (await readMetrics(driver.running.metricsPort)).text,
  }
  t.after(async () => {
    for (const client of [driver.node, driver.identity]) client.close()
    await driver.running.stop()
  })
  return driver
}

function connect(address: string): Pick<TestDriver, 'node' | 'identity'> {
  const options = { 'grpc.default_authority': 'localhost' }
  return {
    node: new NodeClient(address, credentials.createInsecure(), options),
    identity: new IdentityClient(address, credentials.createInsecure(), options),
  }
}

async function createPod(driver: TestDriver, options: PodOptions = {}): Promise<TestPod> {
  const {
    name = `pod-${randomUUID().slice(0, 8)}`,
    namespace = 'default',
    className = name,
    volume = 'secrets',
  } = options
  const { objects = ['foo'], parameters = {}, ownerReferences, secretObjects } = options
  const { kube, kubeletRoot, provider } = driver
  if (options.className === undefined) {
    await driver.createClass(
      className,
      {
        provider: provider.name,
        parameters: { objects: objectsAttribute(objects), ...parameters },
        ...(secretObjects === undefined ? {} : { secretObjects }),
      },
      namespace,
    )
  }
  const pod = await kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace, ...(ownerReferences === undefined ? {} : { ownerReferences }) },
    spec: { nodeName: driverNodeId, containers: [{ name: 'app', image: 'busybox' }] },
  })
  const uid = pod.metadata.uid ?? ''
  return podVolume({ kubeletRoot, name, namespace, uid, className, volume })
}

/** A gRPC call as a promise; rejects with the ServiceError. */
export function unary<Request, Response>(
  client: Client,
  method: Unary<Request, Response>,
  request: Request,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, request, (error, response) => (error === null ? resolve(response) : reject(error)))
  })
}

function httpGet(path: string, port: number): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, agent: false }, async (response) => {
      resolve({ status: response.statusCode ?? 0, body: Buffer.concat(await response.toArray()).toString('utf8') })
    })
    request.on('error', reject)
    request.end()
  })
}

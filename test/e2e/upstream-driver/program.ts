import { execFileSync } from 'node:child_process'
import { existsSync, lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  createKubeClient,
  inClusterConfig,
  isAlreadyExists,
  resources,
  type SecretProviderClassPodStatus,
} from '#kubernetes/client'
import {
  IdentityService,
  type NodePublishVolumeRequest,
  type NodeServer,
  NodeService,
  RegistrationService,
} from '#kubernetes/csi'
import { createUnary, startGrpcServer } from '#kubernetes/grpc'
import { createProviderClient, type ObjectVersion } from '#kubernetes/provider-protocol'
import { createLog } from '#lib'
import { parseEndpoint } from '#lib/flags'
import { writeAsUpstream } from './write-as-upstream.ts'

/**
 * A stand-in for the upstream driver 1.6.0, whose image a test cannot pull. It takes the flags of the chart's driver, and
 * what it leaves on the node and in the API server is what that one leaves: a tmpfs without options, the dated directory and
 * its links, a status object without annotations. kubelet calls it as it calls any driver.
 */
const { values: flags } = parseArgs({
  strict: false,
  options: {
    endpoint: { type: 'string' },
    drivername: { type: 'string' },
    nodeid: { type: 'string' },
    'kubelet-registration-path': { type: 'string' },
    'registration-dir': { type: 'string' },
    'provider-volume': { type: 'string' },
    'rotation-seconds': { type: 'string' },
  },
})
const flag = (name: keyof typeof flags) => String(flags[name] ?? '')

const log = createLog({ name: 'upstream-driver' })
const unary = createUnary({ log })
const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = process.env
const kube = createKubeClient(inClusterConfig({ host, port }))
const providers = createProviderClient({ directories: [flag('provider-volume')], maxReceiveBytes: 4 * 1024 * 1024 })
const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens'

const node: Partial<NodeServer> = {
  nodeGetInfo: unary('NodeGetInfo', () => ({ nodeId: flag('nodeid'), maxVolumesPerNode: 0 })),
  nodeGetCapabilities: unary('NodeGetCapabilities', () => ({ capabilities: [] })),
  nodePublishVolume: unary('NodePublishVolume', publish),
  nodeUnpublishVolume: unary('NodeUnpublishVolume', ({ targetPath }) => unpublish(targetPath)),
}

void serve()

async function serve(): Promise<void> {
  const endpoint = parseEndpoint(flag('endpoint'))
  if (endpoint === undefined) throw new Error(`no endpoint: ${flag('endpoint')}`)
  const name = flag('drivername')
  const csi = await startGrpcServer(
    endpoint,
    (server) => {
      server.addService(NodeService, node as NodeServer)
      server.addService(IdentityService, {
        getPluginInfo: unary('GetPluginInfo', () => ({ name, vendorVersion: 'v1.6.0', manifest: {} })),
        getPluginCapabilities: unary('GetPluginCapabilities', () => ({ capabilities: [] })),
        probe: unary('Probe', () => ({ ready: { value: true } })),
      })
    },
    { log },
  )
  const socket = join(flag('registration-dir'), `${name}-reg.sock`)
  const registration = await startGrpcServer(
    { kind: 'unix', path: socket },
    (server) =>
      server.addService(RegistrationService, {
        getInfo: unary('GetInfo', () => ({
          type: 'CSIPlugin',
          name,
          endpoint: flag('kubelet-registration-path'),
          supportedVersions: ['1.0.0'],
        })),
        notifyRegistrationStatus: unary('NotifyRegistrationStatus', () => ({})),
      }),
    { log },
  )
  process.on('SIGTERM', () => void Promise.all([registration.stop(), csi.stop()]).then(() => process.exit(0)))
}

async function publish({ targetPath, volumeContext, secrets }: NodePublishVolumeRequest) {
  if (isFresh(targetPath)) return {}
  if (!isMounted(targetPath)) {
    mkdirSync(targetPath, { recursive: true, mode: 0o750 })
    execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', targetPath])
  }
  const namespace = volumeContext['csi.storage.k8s.io/pod.namespace'] ?? ''
  const className = volumeContext.secretProviderClass ?? ''
  const { spec } = await kube.get(resources.secretProviderClasses, { namespace, name: className })
  const { [tokensKey]: tokens = volumeContext[tokensKey] } = secrets
  const { files, objectVersion } = await providers.mount(spec?.provider ?? '', {
    attributes: JSON.stringify({ ...spec?.parameters, ...volumeContext, [tokensKey]: tokens }),
    secrets: 'null',
    targetPath,
    permission: '420',
    currentObjectVersion: [],
  })
  writeAsUpstream(targetPath, files)
  await record({ namespace, className, targetPath, volumeContext, objects: objectVersion })
  return {}
}

/** Its clock is the time of the last change in the volume. */
function isFresh(targetPath: string): boolean {
  const changedAt = statSync(targetPath, { throwIfNoEntry: false })?.mtimeMs
  return changedAt !== undefined && Date.now() < changedAt + Number(flag('rotation-seconds')) * 1000
}

function isMounted(path: string): boolean {
  return existsSync(path) && lstatSync(path).dev !== lstatSync(dirname(path)).dev
}

async function record(volume: {
  namespace: string
  className: string
  targetPath: string
  volumeContext: Record<string, string>
  objects: readonly ObjectVersion[]
}): Promise<void> {
  const { namespace, className, targetPath, volumeContext, objects } = volume
  const podName = volumeContext['csi.storage.k8s.io/pod.name'] ?? ''
  const uid = volumeContext['csi.storage.k8s.io/pod.uid'] ?? ''
  const name = `${podName}-${namespace}-${className}`
  const resource = resources.secretProviderClassPodStatuses
  const wanted: SecretProviderClassPodStatus = {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClassPodStatus',
    metadata: {
      name,
      namespace,
      labels: { 'internal.secrets-store.csi.k8s.io/node-name': flag('nodeid') },
      ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: podName, uid }],
    },
    status: {
      podName,
      secretProviderClassName: className,
      mounted: true,
      targetPath,
      objects: objects.map(({ id, version }) => ({ id, version })).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    },
  }
  try {
    await kube.create(resource, wanted)
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const { metadata } = await kube.get(resource, { namespace, name })
    const labels = { ...metadata.labels, ...wanted.metadata.labels }
    const { ownerReferences = [] } = wanted.metadata
    await kube.replace(resource, { ...wanted, metadata: { ...metadata, labels, ownerReferences } })
  }
}

function unpublish(targetPath: string) {
  if (existsSync(targetPath)) {
    for (const name of readdirSync(targetPath)) rmSync(join(targetPath, name), { recursive: true, force: true })
    if (isMounted(targetPath)) execFileSync('umount', [targetPath])
    rmdirSync(targetPath)
  }
  return {}
}

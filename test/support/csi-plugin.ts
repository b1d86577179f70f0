import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Server } from '@grpc/grpc-js'
import {
  type NodePublishVolumeRequest,
  type NodeServer,
  NodeService,
  type NodeUnpublishVolumeRequest,
  type RegistrationServer,
  RegistrationService,
  type RegistrationStatus,
} from '#kubernetes/csi'
import { createUnary, startGrpcServer } from '#kubernetes/grpc'
import { silentLog } from '#lib'

/** A CSI driver for tests: a tmpfs with one file per volume, mounted by the test's own process. */
export interface CsiPlugin {
  readonly name: string
  readonly published: NodePublishVolumeRequest[]
  readonly unpublished: NodeUnpublishVolumeRequest[]
  readonly notified: RegistrationStatus[]
  /** Called before a publish; throws to make it fail. */
  onPublish: (request: NodePublishVolumeRequest) => void
  /** Called before an unpublish; throws to make it fail. */
  onUnpublish: () => void
  stop(): Promise<void>
}

export interface CsiPluginOptions {
  kubeletRoot: string
  name?: string
  /** What the registration socket returns. */
  type?: string
  versions?: string[]
}

/** Serves a driver on kubelet's places and so has it registered. */
export async function startCsiPlugin(options: CsiPluginOptions): Promise<CsiPlugin> {
  const { kubeletRoot, name = 'fake.csi.example.com', type = 'CSIPlugin', versions = ['1.0.0'] } = options
  const endpoint = join(kubeletRoot, 'plugins', name, 'csi.sock')
  const plugin = {
    name,
    published: [] as NodePublishVolumeRequest[],
    unpublished: [] as NodeUnpublishVolumeRequest[],
    notified: [] as RegistrationStatus[],
    onPublish: (_: NodePublishVolumeRequest) => {},
    onUnpublish: () => {},
  }
  const unary = createUnary({ log: silentLog })
  const rpc = <Request, Response>(run: (request: Request) => Response) => unary<Request, Response>('test', run)
  const serve = (path: string, register: (server: Server) => void) =>
    startGrpcServer({ kind: 'unix', path }, register, { log: silentLog })
  const node: Partial<NodeServer> = {
    nodeGetInfo: rpc(() => ({ nodeId: 'test-node-id', maxVolumesPerNode: 0 })),
    nodePublishVolume: rpc((request) => {
      plugin.published.push(request)
      plugin.onPublish(request)
      mountContent(request)
      return {}
    }),
    nodeUnpublishVolume: rpc((request) => {
      plugin.unpublished.push(request)
      plugin.onUnpublish()
      unmountContent(request.targetPath)
      return {}
    }),
  }
  const registration: RegistrationServer = {
    getInfo: rpc(() => ({ type, name, endpoint, supportedVersions: versions })),
    notifyRegistrationStatus: rpc((status) => {
      plugin.notified.push(status)
      return {}
    }),
  }
  const servers = [
    await serve(endpoint, (server) => server.addService(NodeService, node as NodeServer)),
    await serve(join(kubeletRoot, 'plugins_registry', `${name}-reg.sock`), (server) =>
      server.addService(RegistrationService, registration),
    ),
  ]
  return Object.assign(plugin, {
    async stop() {
      await Promise.all(servers.map((server) => server.stop()))
    },
  })
}

const isMounted = (path: string) => existsSync(join(path, 'content'))

function mountContent({ targetPath, volumeContext }: NodePublishVolumeRequest): void {
  mkdirSync(targetPath, { recursive: true })
  if (!isMounted(targetPath)) execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', targetPath])
  writeFileSync(join(targetPath, 'content'), volumeContext.content ?? '')
}

function unmountContent(path: string): void {
  if (isMounted(path)) execFileSync('umount', [path])
  if (existsSync(path)) rmdirSync(path)
}

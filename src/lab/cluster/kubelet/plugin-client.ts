import { type CallOptions, type Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import {
  NodeClient,
  type NodeGetCapabilitiesResponse,
  type NodeGetInfoResponse,
  type NodePublishVolumeRequest,
  NodeServiceCapability_RPC_Type,
  type NodeUnpublishVolumeRequest,
  type PluginInfo,
  RegistrationClient,
  type RegistrationStatus,
} from '#kubernetes/csi'
import { codeName } from '#kubernetes/grpc'
import { CodedError } from '#lib'

/** A failed call of a plugin; the code is that of gRPC. The message is kubelet's: `rpc error: code = Unknown desc = …`. */
export class PluginError extends CodedError<number> {
  /** False when the plugin may still be working on the call, so that its result must not be removed. */
  readonly final: boolean

  constructor({ code, details }: ServiceError) {
    super(code, `rpc error: code = ${codeName(code)} desc = ${details}`, { retryable: unfinished.has(code) })
    this.final = !unfinished.has(code)
  }
}

/** https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/csi/csi_client.go isFinalError */
const unfinished = new Set([
  status.CANCELLED,
  status.DEADLINE_EXCEEDED,
  status.UNAVAILABLE,
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
])

/** kubelet's time limit of a call, in milliseconds. */
const callTimeoutMs = 120_000
const registrationTimeoutMs = 10_000

type Make<C> = new (address: string, channel: ReturnType<typeof credentials.createInsecure>, options: object) => C
type Done<Response> = (error: ServiceError | null, response: Response) => void
type Send<C, Response> = (
  client: C,
  ...rest: [metadata: Metadata, options: Partial<CallOptions>, done: Done<Response>]
) => unknown

/** One call on a connection of its own, as kubelet does. Rejects with {@link PluginError}. */
function callOnce<C extends Client, Response>(
  make: Make<C>,
  socket: string,
  timeoutMs: number,
  send: Send<C, Response>,
): Promise<Response> {
  const client = new make(`unix:${socket}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' })
  return new Promise<Response>((resolve, reject) => {
    send(client, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, response) =>
      error === null ? resolve(response) : reject(new PluginError(error)),
    )
  }).finally(() => client.close())
}

const register = <Response>(socket: string, send: Send<RegistrationClient, Response>) =>
  callOnce(RegistrationClient, socket, registrationTimeoutMs, send)
const node = <Response>(socket: string, send: Send<NodeClient, Response>) =>
  callOnce(NodeClient, socket, callTimeoutMs, send)

export const pluginInfo = (socket: string): Promise<PluginInfo> =>
  register(socket, (client, ...rest) => client.getInfo({}, ...rest))

export const notifyRegistration = (socket: string, result: RegistrationStatus): Promise<object> =>
  register(socket, (client, ...rest) => client.notifyRegistrationStatus(result, ...rest))

export const nodeInfo = (socket: string): Promise<NodeGetInfoResponse> =>
  node(socket, (client, ...rest) => client.nodeGetInfo({}, ...rest))

/** Whether the driver makes the files of a volume readable for a group. */
export async function takesMountGroup(socket: string): Promise<boolean> {
  const { capabilities } = await node<NodeGetCapabilitiesResponse>(socket, (client, ...rest) =>
    client.nodeGetCapabilities({}, ...rest),
  )
  const wanted = NodeServiceCapability_RPC_Type.VOLUME_MOUNT_GROUP
  return capabilities.some(({ type }) => type?.$case === 'rpc' && type.value.type === wanted)
}

export const publishVolume = (socket: string, request: NodePublishVolumeRequest): Promise<object> =>
  node(socket, (client, ...rest) => client.nodePublishVolume(request, ...rest))

export const unpublishVolume = (socket: string, request: NodeUnpublishVolumeRequest): Promise<object> =>
  node(socket, (client, ...rest) => client.nodeUnpublishVolume(request, ...rest))

import { type CallOptions, type Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import {
  codeName,
  NodeClient,
  type NodeGetInfoResponse,
  type NodePublishVolumeRequest,
  type NodeUnpublishVolumeRequest,
  type PluginInfo,
  RegistrationClient,
  type RegistrationStatus,
} from '../../csi/index.ts'

/** What a plugin answered instead of a result. The message is kubelet's: `rpc error: code = Unknown desc = …`. */
export class PluginError extends Error {
  override readonly name = 'PluginError'
  /** False when the plugin may still be working on the call, so that its result must not be cleaned away. */
  readonly final: boolean

  constructor({ code, details }: ServiceError) {
    super(`rpc error: code = ${codeName(code)} desc = ${details}`)
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

/** kubelet's patience with a CSI call, in milliseconds. */
const callTimeoutMs = 120_000
const registrationTimeoutMs = 10_000

type Done<Response> = (error: ServiceError | null, response: Response) => void
type Call<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: Partial<CallOptions>,
  done: Done<Response>,
) => void

/** One call on a connection of its own, as kubelet does. Rejects with {@link PluginError}. */
function callOnce<C extends Client, Request, Response>(
  make: new (address: string, channel: ReturnType<typeof credentials.createInsecure>, options: object) => C,
  socket: string,
  method: (client: C) => Call<Request, Response>,
  request: Request,
  timeoutMs: number,
): Promise<Response> {
  const client = new make(`unix:${socket}`, credentials.createInsecure(), { 'grpc.default_authority': 'localhost' })
  const options = { deadline: Date.now() + timeoutMs }
  return new Promise<Response>((resolve, reject) => {
    method(client).call(client, request, new Metadata(), options, (error, response) =>
      error === null ? resolve(response) : reject(new PluginError(error)),
    )
  }).finally(() => client.close())
}

export const pluginInfo = (socket: string): Promise<PluginInfo> =>
  callOnce<RegistrationClient, object, PluginInfo>(
    RegistrationClient,
    socket,
    (client) => client.getInfo,
    {},
    registrationTimeoutMs,
  )

export const notifyRegistration = (socket: string, result: RegistrationStatus): Promise<object> =>
  callOnce<RegistrationClient, RegistrationStatus, object>(
    RegistrationClient,
    socket,
    (client) => client.notifyRegistrationStatus,
    result,
    registrationTimeoutMs,
  )

export const nodeInfo = (socket: string): Promise<NodeGetInfoResponse> =>
  callOnce<NodeClient, object, NodeGetInfoResponse>(
    NodeClient,
    socket,
    (client) => client.nodeGetInfo,
    {},
    callTimeoutMs,
  )

export const publishVolume = (socket: string, request: NodePublishVolumeRequest): Promise<object> =>
  callOnce<NodeClient, NodePublishVolumeRequest, object>(
    NodeClient,
    socket,
    (client) => client.nodePublishVolume,
    request,
    callTimeoutMs,
  )

export const unpublishVolume = (socket: string, request: NodeUnpublishVolumeRequest): Promise<object> =>
  callOnce<NodeClient, NodeUnpublishVolumeRequest, object>(
    NodeClient,
    socket,
    (client) => client.nodeUnpublishVolume,
    request,
    callTimeoutMs,
  )

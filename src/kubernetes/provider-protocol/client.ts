import { join } from 'node:path'
import { type ClientUnaryCall, status as Code, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { type NodeSockets, unixSockets } from '#kubernetes/sockets'
import { CodedError, noTracer, type Tracer } from '#lib'
import {
  CSIDriverProviderClient,
  type MountRequest,
  type MountResponse,
  type VersionResponse,
} from './generated/provider.ts'
import { type HeldToken, heldTokenIn } from './held-token.ts'
import { providersIn } from './providers-in.ts'
import { type StaleContent, staleContent } from './stale-since.ts'
import { vaultsIn } from './vaults-trailer.ts'

/** Why there is no content: the provider's name is unusable, it has no socket, its answer was too large, late, or an error. */
export type ProviderErrorKind = 'invalid-name' | 'not-found' | 'too-large' | 'timeout' | 'rpc'

/** A call of a provider without a result. `code` is the gRPC code of the call; Unknown when there was no call. */
export class ProviderError extends CodedError<Code> {
  readonly kind: ProviderErrorKind
  /** Bytes of an answer that was too large, where gRPC reports it. */
  readonly answerBytes: number | undefined

  /** gRPC metadata never leaves this file: a provider may have put anything there. */
  constructor(kind: ProviderErrorKind, code: Code, message: string, answerBytes?: number) {
    super(code, message)
    this.kind = kind
    this.answerBytes = answerBytes
  }
}

export interface ProviderClientOptions {
  /** Directories that are searched for `<provider>.sock`, first hit wins; searched again on every call. */
  directories: readonly string[]
  /** Default: those of Node. */
  sockets?: NodeSockets | undefined
  /** Largest answer in bytes, unless a call names another limit. */
  maxReceiveBytes: number
  /** Longest time for one Mount in milliseconds. Default 110,000: under kubelet's two minutes, so that our error is the one that is seen. */
  timeoutMs?: number | undefined
  /** Whose span the provider’s is in. Default: none. */
  tracer?: Tracer | undefined
}

export interface ProviderCallOptions {
  signal?: AbortSignal | undefined
  timeoutMs?: number | undefined
  /** Largest answer in bytes. A larger one is refused before it is read. */
  maxReceiveBytes?: number | undefined
}

/** A provider's answer to a mount. */
export interface MountAnswer extends MountResponse {
  /** Undefined when everything is fresh. */
  stale?: StaleContent | undefined
  /** Hosts of the vaults that have its objects; empty where the provider named none. */
  vaults?: readonly string[] | undefined
  /** Undefined where the next read of the volume signs in, as far as is known. */
  heldToken?: HeldToken | undefined
}

/** Calls whichever providers have a socket on this node. Rejects with {@link ProviderError}, or the signal's reason. */
export interface ProviderClient {
  mount(provider: string, request: MountRequest, options?: ProviderCallOptions): Promise<MountAnswer>
  version(provider: string, options?: ProviderCallOptions): Promise<VersionResponse>
  stop(): void
}

/** Names that an error lists at most. */
const maxListed = 10

/** The protocol's rule for a provider's name; it becomes a file name. */
const namePattern = /^[a-zA-Z0-9_-]{1,30}$/

interface State {
  directories: readonly string[]
  sockets: NodeSockets
  maxReceiveBytes: number
  timeoutMs: number
  tracer: Tracer
  /** By path of the socket and limit of the answer, which gRPC has per connection. */
  connections: Map<string, Connection>
}

interface Connection {
  client: CSIDriverProviderClient
  /** Which file it was opened on: a provider that restarted has made a new one. */
  identity: string
}

export function createProviderClient(options: ProviderClientOptions): ProviderClient {
  const { directories, sockets = unixSockets, maxReceiveBytes, timeoutMs = 110_000, tracer = noTracer } = options
  const state: State = { directories, sockets, maxReceiveBytes, timeoutMs, tracer, connections: new Map() }
  return {
    async mount(provider, request, callOptions = {}) {
      const { response, trailer } = await call(state, provider, (client) => client.mount, request, callOptions)
      const heldToken = heldTokenIn(trailer)
      return { ...response, stale: staleContent(trailer), vaults: vaultsIn(trailer), heldToken }
    },
    async version(provider, callOptions = {}) {
      const request = { version: 'v1alpha1' }
      return (await call(state, provider, (client) => client.version, request, callOptions)).response
    },
    stop() {
      for (const { client } of state.connections.values()) client.close()
      state.connections.clear()
    },
  }
}

type Method<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline: number },
  callback: (error: ServiceError | null, response: Response) => void,
) => ClientUnaryCall

interface Answer<Response> {
  response: Response
  trailer: Metadata
}

function call<Request, Response>(
  state: State,
  provider: string,
  method: (client: CSIDriverProviderClient) => Method<Request, Response>,
  request: Request,
  { signal, timeoutMs = state.timeoutMs, maxReceiveBytes = state.maxReceiveBytes }: ProviderCallOptions,
): Promise<Answer<Response>> {
  return new Promise((resolve, reject) => {
    const client = connect(state, provider, maxReceiveBytes)
    if (signal?.aborted) return reject(signal.reason)
    const running = method(client).call(
      client,
      request,
      metadataOf(state.tracer),
      { deadline: Date.now() + timeoutMs },
      (error, response) => {
        signal?.removeEventListener('abort', cancel)
        // gRPC emits the status, which has the trailer, right after this.
        if (error === null) running.once('status', ({ metadata }) => resolve({ response, trailer: metadata }))
        else reject(signal?.aborted ? signal.reason : providerError(provider, error, { timeoutMs, maxReceiveBytes }))
      },
    )
    const cancel = () => running.cancel()
    signal?.addEventListener('abort', cancel, { once: true })
  })
}

function metadataOf(tracer: Tracer): Metadata {
  const metadata = new Metadata()
  const parent = tracer.parent()
  if (parent !== undefined) metadata.set('traceparent', parent)
  return metadata
}

function connect(
  { directories, sockets, connections }: State,
  provider: string,
  maxReceiveBytes: number,
): CSIDriverProviderClient {
  if (!namePattern.test(provider)) {
    const rule = 'expected 1 to 30 letters, digits, "-" or "_"'
    throw new ProviderError('invalid-name', Code.UNKNOWN, `invalid provider "${provider.slice(0, 64)}": ${rule}`)
  }
  const paths = directories.map((directory) => join(directory, `${provider}.sock`))
  for (const path of paths) {
    const identity = sockets.identity(path)
    if (identity === undefined) continue
    const key = `${maxReceiveBytes}:${path}`
    const open = connections.get(key)
    if (open?.identity === identity) return open.client
    open?.client.close()
    const client = openClient(sockets.address(path), maxReceiveBytes)
    connections.set(key, { client, identity })
    return client
  }
  const found = providersIn(directories, sockets).slice(0, maxListed)
  const others = found.length === 0 ? 'no provider runs on this node' : `on this node: ${found.join(', ')}`
  throw new ProviderError(
    'not-found',
    Code.UNKNOWN,
    `provider not found: provider "${provider}" has no socket ${paths.join(' nor ')}; ${others}`,
  )
}

function openClient(address: string, maxReceiveBytes: number): CSIDriverProviderClient {
  return new CSIDriverProviderClient(address, credentials.createInsecure(), {
    // Providers in Go and Node refuse the path that gRPC would send; the e2e provider insists on this name.
    'grpc.default_authority': 'localhost',
    'grpc.max_receive_message_length': maxReceiveBytes,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': 1000,
    // Not retried here: kubelet and the rotation ask again, and they know when.
    'grpc.enable_retries': 0,
    'grpc.service_config_disable_resolution': 1,
  })
}

function providerError(
  provider: string,
  { code, details }: ServiceError,
  { timeoutMs, maxReceiveBytes }: { timeoutMs: number; maxReceiveBytes: number },
): ProviderError {
  // gRPC's own words; a provider may answer with this code, too, and then its words count.
  if (code === Code.DEADLINE_EXCEEDED && /^(Deadline exceeded|$)/.test(details))
    return new ProviderError('timeout', code, `provider "${provider}" gave no answer within ${timeoutMs / 1000} s`)
  if (code === Code.RESOURCE_EXHAUSTED && details.includes('larger than max')) {
    const advice = `set --max-call-recv-msg-size above its default to allow more than ${maxReceiveBytes} bytes`
    const bytes = /larger than max \((\d{1,15}) /.exec(details)?.[1]
    return new ProviderError(
      'too-large',
      code,
      `${details}; ${advice}`,
      bytes === undefined ? undefined : Number(bytes),
    )
  }
  return new ProviderError('rpc', code, details === '' ? `provider "${provider}" failed without a message` : details)
}

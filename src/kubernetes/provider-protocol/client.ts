import { statSync } from 'node:fs'
import { join } from 'node:path'
import { status as Code, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import {
  CSIDriverProviderClient,
  type MountRequest,
  type MountResponse,
  type VersionResponse,
} from './generated/provider.ts'

/** Why a provider gave no content: its name is unusable, nobody listens, or its answer was an error. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
  readonly kind: 'invalid-name' | 'not-found' | 'rpc'
  /** gRPC code of the call; Unknown when there was none. */
  readonly code: Code
  /** gRPC metadata never leaves this file: a provider may have put anything there. */
  constructor(kind: ProviderError['kind'], code: Code, message: string) {
    super(message)
    this.kind = kind
    this.code = code
  }
}

export interface ProviderClientOptions {
  /** Directories that are searched for `<provider>.sock`, first hit wins; asked anew on every call. */
  directories: readonly string[]
  /** Largest answer in bytes. */
  maxReceiveBytes: number
  /** Longest time for one Mount in milliseconds. Default 110,000: under kubelet's two minutes, so that our error is the one that is seen. */
  timeoutMs?: number
}

export interface CallOptions {
  signal?: AbortSignal | undefined
  timeoutMs?: number
}

/** Speaks the provider protocol to whichever providers have a socket on this node. Rejects with {@link ProviderError}. */
export interface ProviderClient {
  mount(provider: string, request: MountRequest, options?: CallOptions): Promise<MountResponse>
  version(provider: string, options?: CallOptions): Promise<VersionResponse>
  stop(): void
}

/** The protocol's rule for a provider's name; it becomes a file name. */
const namePattern = /^[a-zA-Z0-9_-]{1,30}$/

interface Connection {
  client: CSIDriverProviderClient
  /** Which file it was opened on: a provider that restarted has made a new one. */
  inode: string
}

export function createProviderClient(options: ProviderClientOptions): ProviderClient {
  const { directories, maxReceiveBytes, timeoutMs = 110_000 } = options
  const connections = new Map<string, Connection>()

  function connect(provider: string): CSIDriverProviderClient {
    if (!namePattern.test(provider)) {
      const rule = 'expected 1 to 30 letters, digits, "-" or "_"'
      throw new ProviderError('invalid-name', Code.UNKNOWN, `invalid provider "${provider.slice(0, 64)}": ${rule}`)
    }
    for (const directory of directories) {
      const path = join(directory, `${provider}.sock`)
      const stat = statSync(path, { throwIfNoEntry: false, bigint: true })
      if (stat === undefined) continue
      const inode = `${stat.dev}:${stat.ino}:${stat.ctimeNs}`
      const known = connections.get(path)
      if (known?.inode === inode) return known.client
      known?.client.close()
      const client = open(path)
      connections.set(path, { client, inode })
      return client
    }
    const looked = directories.map((directory) => join(directory, `${provider}.sock`)).join(', ')
    throw new ProviderError(
      'not-found',
      Code.UNKNOWN,
      `provider not found: provider "${provider}" has no socket (looked for ${looked}); is it running on this node?`,
    )
  }

  function open(path: string): CSIDriverProviderClient {
    return new CSIDriverProviderClient(`unix:${path}`, credentials.createInsecure(), {
      // Providers in Go and Node refuse the path that gRPC would send; the e2e provider insists on this name.
      'grpc.default_authority': 'localhost',
      'grpc.max_receive_message_length': maxReceiveBytes,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // Nothing is retried here: kubelet and the rotation ask again, and they know when.
      'grpc.enable_retries': 0,
      'grpc.service_config_disable_resolution': 1,
    })
  }

  type Method<Request, Response> = (
    request: Request,
    metadata: Metadata,
    options: { deadline: number },
    callback: (error: ServiceError | null, response: Response) => void,
  ) => { cancel(): void }

  function call<Request, Response>(
    provider: string,
    method: (client: CSIDriverProviderClient) => Method<Request, Response>,
    request: Request,
    { signal, timeoutMs: limit = timeoutMs }: CallOptions,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const client = connect(provider)
      if (signal?.aborted) return reject(signal.reason)
      const running = method(client).call(
        client,
        request,
        new Metadata(),
        { deadline: Date.now() + limit },
        (error, response) => {
          signal?.removeEventListener('abort', cancel)
          if (error === null) return resolve(response)
          reject(signal?.aborted ? signal.reason : providerError(provider, error, limit, maxReceiveBytes))
        },
      )
      const cancel = () => running.cancel()
      signal?.addEventListener('abort', cancel, { once: true })
    })
  }

  return {
    mount: (provider, request, callOptions = {}) => call(provider, (client) => client.mount, request, callOptions),
    version: (provider, callOptions = {}) =>
      call(provider, (client) => client.version, { version: 'v1alpha1' }, callOptions),
    stop() {
      for (const { client } of connections.values()) client.close()
      connections.clear()
    },
  }
}

function providerError(
  provider: string,
  { code, details }: ServiceError,
  timeoutMs: number,
  maxBytes: number,
): ProviderError {
  if (code === Code.DEADLINE_EXCEEDED) {
    return new ProviderError('rpc', code, `provider "${provider}" gave no answer within ${timeoutMs / 1000} s`)
  }
  if (code === Code.RESOURCE_EXHAUSTED && details.includes('larger than max')) {
    const advice = `set --max-call-recv-msg-size above its default to allow more than ${maxBytes} bytes`
    return new ProviderError('rpc', code, `${details}; ${advice}`)
  }
  return new ProviderError('rpc', code, details === '' ? `provider "${provider}" failed without a message` : details)
}

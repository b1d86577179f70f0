import { status as Code, type handleUnaryCall, Server, ServerCredentials, type UntypedHandleCall } from '@grpc/grpc-js'
import {
  CSIDriverProviderService,
  healthService,
  type MountRequest,
  ServingStatus,
} from '#kubernetes/provider-protocol'
import { errorMessage, type Log, type Running } from '#lib'
import { listenUnix } from '#lib/http'
import { type ErrorCode, errorCatalogue } from './error-catalogue.ts'
import type { Mount } from './mount.ts'
import { MountError } from './mount-error.ts'
import type { ProviderMetrics } from './provider-metrics.ts'
import { errorCodeOf } from './read-objects.ts'

export interface ServeGrpcOptions {
  mount: Mount
  /** Where to listen: a socket's path, or `HOST:PORT`. */
  endpoint: { kind: 'unix'; path: string } | { kind: 'tcp'; address: string }
  runtimeVersion: string
  metrics: ProviderMetrics
  log: Log
  /** Mounts in progress at once; more are refused. Default 1,000. */
  maxMounts?: number
  /** Longest time of one mount in milliseconds. Default 110,000: under kubelet's two minutes, so that our reason is the one that is seen. */
  mountTimeoutMs?: number
  /** How long `stop` waits for mounts in progress, in milliseconds. Default 8,000. */
  drainMs?: number
}

/** Requests hold a class and some tokens; nobody needs more. */
const maxRequestBytes = 4 * 1024 * 1024
/** The message travels in a header, and clients limit those. */
const maxMessageLength = 6000

/** The provider protocol and gRPC health on one socket; one log line per call. */
export async function serveGrpc(options: ServeGrpcOptions): Promise<Running> {
  const { endpoint, log, runtimeVersion, drainMs = 8000 } = options
  const server = new Server({
    'grpc.max_receive_message_length': maxRequestBytes,
    'grpc.max_send_message_length': -1,
  })
  let serving = true
  server.addService(CSIDriverProviderService, {
    version: unary('/v1alpha1.CSIDriverProvider/Version', options, async () => ({
      version: 'v1alpha1',
      runtimeName: 'secrets-store-csi-driver-provider-azure',
      runtimeVersion,
    })),
    mount: unary('/v1alpha1.CSIDriverProvider/Mount', options, bounded(options)),
  })
  server.addService(healthService, {
    check: unary('/grpc.health.v1.Health/Check', options, async () => ({
      status: serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING,
    })),
  })
  const bind = (address: string) => () =>
    new Promise<void>((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
        error === null ? resolve() : reject(error),
      )
    })
  if (endpoint.kind === 'unix') await listenUnix(endpoint.path, bind(`unix:${endpoint.path}`))
  else await bind(endpoint.address)()

  let stopped: Promise<void> | undefined
  return {
    stop() {
      serving = false
      stopped ??= new Promise<void>((resolve) => {
        const force = setTimeout(() => {
          log.warn({ drainMs }, 'calls are still in progress; ending them')
          server.forceShutdown()
        }, drainMs)
        server.tryShutdown(() => {
          clearTimeout(force)
          resolve()
        })
      })
      return stopped
    },
  }
}

interface CallContext {
  signal: AbortSignal
}

/** A flood of mounts must not eat the node's memory, and a hanging one must not outlive its caller. */
function bounded({ mount, maxMounts = 1000 }: ServeGrpcOptions) {
  let inProgress = 0
  return async (request: MountRequest, { signal }: CallContext) => {
    if (inProgress >= maxMounts) {
      throw new MountError(
        'provider-busy',
        `failed to mount objects, error: ${inProgress} mounts are in progress; try again`,
      )
    }
    inProgress++
    try {
      return await untilAborted(mount(request), signal)
    } finally {
      inProgress--
    }
  }
}

function deadline(after: string): MountError {
  return new MountError(
    'deadline-exceeded',
    `failed to mount objects, error: context deadline exceeded (no result within ${after}; see the provider's log on this node)`,
  )
}

/** Reads are shared between callers, so a caller that leaves ends its own waiting and not the work. */
function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = () => reject(signal.reason)
    if (signal.aborted) return leave()
    signal.addEventListener('abort', leave, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}

function unary<Request, Response>(
  method: string,
  { log, metrics, mountTimeoutMs = 110_000 }: ServeGrpcOptions,
  run: (request: Request, context: CallContext) => Promise<Response>,
): UntypedHandleCall {
  const handle: handleUnaryCall<Request, Response> = (call, respond) => {
    const started = performance.now()
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(deadline(`${mountTimeoutMs / 1000} s`)), mountTimeoutMs)
    call.on('cancelled', () => {
      const passed = Date.now() >= new Date(call.getDeadline() as number | Date).getTime()
      controller.abort(
        passed
          ? deadline("the caller's deadline")
          : new MountError('mount-cancelled', 'failed to mount objects, error: context canceled'),
      )
    })
    const record = (code: Code, errorCode: ErrorCode | '', text: string, error?: unknown) => {
      clearTimeout(timer)
      const durationMs = performance.now() - started
      metrics.rpc(method, goCodeName(code), errorCode, durationMs)
      const line = {
        rpc: method,
        ...describe(call.request),
        durationMs: Math.round(durationMs),
        code: goCodeName(code),
      }
      if (code === Code.OK) log[method.endsWith('/Mount') ? 'info' : 'debug'](line, text)
      else log.error({ ...line, errorCode, ...(error === undefined ? {} : { err: error }) }, text)
    }
    run(call.request, { signal: controller.signal }).then(
      (response) => {
        record(Code.OK, '', 'answered')
        respond(null, response)
      },
      (error: unknown) => {
        const errorCode = errorCodeOf(error)
        const { grpc } = errorCatalogue[errorCode]
        const details = shortened(errorMessage(error))
        record(grpc, errorCode, details, errorCode === 'internal-error' ? error : undefined)
        respond({ code: grpc, details })
      },
    )
  }
  return handle as UntypedHandleCall
}

/** Which pod a call is for. Nothing else of a request may be logged: it holds tokens (CVE-2023-2878 was such a line). */
function describe(request: unknown): Record<string, string> {
  const text = (request as Partial<MountRequest> | undefined)?.attributes
  if (typeof text !== 'string' || text === '') return {}
  try {
    const attributes = JSON.parse(text) as Record<string, unknown>
    const word = (name: string) => String(attributes[name] ?? '')
    const pod = `${word('csi.storage.k8s.io/pod.namespace')}/${word('csi.storage.k8s.io/pod.name')}`
    return { pod, class: word('secretProviderClass'), vault: word('keyvaultName') }
  } catch {
    return {}
  }
}

function shortened(text: string): string {
  // A lone surrogate would break the header's encoding.
  const whole = text.toWellFormed()
  return whole.length > maxMessageLength ? `${whole.slice(0, maxMessageLength - 1)}…` : whole
}

/** `OK`, `Unknown`, `NotFound`: the names that dashboards of the field filter by. */
function goCodeName(code: Code): string {
  if (code === Code.OK) return 'OK'
  const words = (Code[code] ?? 'UNKNOWN').toLowerCase().split('_')
  return words
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`)
    .join('')
    .replace('Cancelled', 'Canceled')
}

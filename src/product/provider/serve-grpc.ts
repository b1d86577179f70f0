import {
  type AnsweredCall,
  Code,
  codeName,
  createHealthService,
  createUnary,
  HealthService,
  type RpcContext,
  RpcError,
  type RpcStatus,
  startGrpcServer,
} from '#kubernetes/grpc'
import {
  CSIDriverProviderService,
  heldTokenTrailer,
  type MountRequest,
  staleTrailers,
  vaultsTrailer,
} from '#kubernetes/provider-protocol'
import type { NodeSockets } from '#kubernetes/sockets'
import { errorMessage, type Log, type Running, type Tracer } from '#lib'
import { untilAborted } from '#lib/async'
import type { Endpoint } from '#lib/flags'
import { parseJson, stringOf, valueAt } from '#lib/formats'
import { providerErrors } from '#product/error-catalogue'
import type { Mount } from './mount.ts'
import { MountError } from './mount-error.ts'
import type { ProviderMetrics } from './provider-metrics.ts'
import { errorCodeOf } from './read-objects.ts'

export interface ServeGrpcOptions {
  mount: Mount
  endpoint: Endpoint
  sockets?: NodeSockets | undefined
  runtimeVersion: string
  tracer?: Tracer | undefined
  metrics: ProviderMetrics
  log: Log
  /** Longest time of one mount in milliseconds. Default 110,000: under kubelet's two minutes, so that our reason is the one that is seen. */
  mountTimeoutMs?: number
  /** How long `stop` waits for mounts in progress, in milliseconds. Default 8,000. */
  drainMs?: number
}

/** The provider protocol and gRPC health on one socket; one log line per call. */
export async function serveGrpc(options: ServeGrpcOptions): Promise<Running> {
  const { endpoint, sockets, log, metrics, runtimeVersion, mountTimeoutMs = 110_000, drainMs } = options
  let serving = true
  const unary = createUnary({
    log,
    timeLimitMs: mountTimeoutMs,
    statusOf,
    describe,
    tracer: options.tracer,
    onAnswer: ({ method, code, errorCode, durationMs }: AnsweredCall) =>
      metrics.rpc(method, codeName(code), errorCode, durationMs),
  })
  const server = await startGrpcServer(
    endpoint,
    (grpc) => {
      grpc.addService(CSIDriverProviderService, {
        version: unary('/v1alpha1.CSIDriverProvider/Version', () => ({
          version: 'v1alpha1',
          runtimeName: 'secrets-store-csi-driver-provider-azure',
          runtimeVersion,
        })),
        mount: unary('/v1alpha1.CSIDriverProvider/Mount', answerMount(options.mount), {
          level: 'info',
          span: { name: 'provider mount', attributes: describe },
        }),
      })
      grpc.addService(
        HealthService,
        createHealthService(unary, () => serving),
      )
    },
    { log, sockets, drainMs },
  )
  return {
    stop() {
      serving = false
      return server.stop()
    },
  }
}

/** Reads are shared between callers, so a caller that leaves ends its own waiting and not the work. */
function answerMount(mount: Mount) {
  return async (request: MountRequest, { signal, setTrailer }: RpcContext) => {
    const { response, stale, vaults, heldToken } = await untilAborted(mount(request), signal).catch(
      (error: unknown) => {
        throw abortedMount(error)
      },
    )
    for (const [name, value] of stale === undefined ? [] : staleTrailers(stale)) setTrailer(name, value)
    if (vaults !== '') setTrailer(vaultsTrailer, vaults)
    if (heldToken !== '') setTrailer(heldTokenTrailer, heldToken)
    return response
  }
}

/** The texts begin as upstream's do. */
function abortedMount(error: unknown): unknown {
  if (!(error instanceof RpcError)) return error
  if (error.code === Code.CANCELLED)
    return new MountError('mount-cancelled', 'failed to mount objects, error: [mount-cancelled] context canceled')
  return new MountError(
    'deadline-exceeded',
    `failed to mount objects, error: [deadline-exceeded] context deadline exceeded (${error.message}); the provider’s log on this node names what it waits for`,
  )
}

function statusOf(error: unknown): RpcStatus {
  const errorCode = errorCodeOf(error)
  return { code: Code[providerErrors[errorCode].grpc], details: errorMessage(error), errorCode }
}

/** Which pod a call is for. Nothing else of a request may be logged: it holds tokens. */
function describe(request: unknown): Record<string, string> {
  const text = (request as Partial<MountRequest> | undefined)?.attributes
  if (typeof text !== 'string' || text === '') return {}
  try {
    const attributes = parseJson('attributes', text)
    const word = (name: string) => stringOf(valueAt(attributes, name)) ?? ''
    const pod = `${word('csi.storage.k8s.io/pod.namespace')}/${word('csi.storage.k8s.io/pod.name')}`
    return { pod, class: word('secretProviderClass'), vault: word('keyvaultName') }
  } catch {
    return {}
  }
}

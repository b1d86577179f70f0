import { type handleUnaryCall, Metadata, type ServerUnaryCall } from '@grpc/grpc-js'
import { type Log, noTracer, type SpanSpec, type Tracer } from '#lib'
import { Code, codeName, RpcError, type RpcStatus, rpcStatus } from './rpc-error.ts'

export interface RpcContext {
  /** Aborts when the caller leaves, when its deadline passes, and when the server's own time limit passes. */
  signal: AbortSignal
  /** Sends trailing metadata with the answer, of printable ASCII; an error has none. */
  setTrailer(name: string, value: string): void
}

/** A call that was answered. */
export interface AnsweredCall {
  method: string
  code: Code
  /** {@link RpcStatus.errorCode}; empty for success. */
  errorCode: string
  durationMs: number
}

/** What is the same for every call of a server. */
export interface UnaryOptions {
  log: Log
  /** Longest time of one call in milliseconds. Default: as long as the caller waits. */
  timeLimitMs?: number | undefined
  /** Default {@link rpcStatus}. */
  statusOf?: ((error: unknown) => RpcStatus) | undefined
  /**
   * Which fields of a request the log line may have. Default: none. Requests are never logged as a whole: they hold tokens
   * (CVE-2023-2878 was such a log line).
   */
  describe?: ((request: unknown) => Readonly<Record<string, string>>) | undefined
  /** Of methods that have a span. Default: none are made. */
  tracer?: Tracer | undefined
  /** Called once per call, when it is answered: for metrics. */
  onAnswer?: ((call: AnsweredCall) => void) | undefined
}

export interface MethodOptions {
  /** Level of the log line of a success. Default `debug`. */
  level?: 'debug' | 'info' | undefined
  /** A span of each call. `attributes` of the request never hold values. Default: none. */
  span?: { name: string; attributes: (request: unknown) => Readonly<Record<string, string>> } | undefined
}

/** Makes a gRPC handler of an async function. @param method name for logs and metrics. */
export type Unary = <Request, Response>(
  method: string,
  run: (request: Request, context: RpcContext) => Promise<Response> | Response,
  options?: MethodOptions,
) => handleUnaryCall<Request, Response>

/** Every call: one log line, one count, a signal that ends its work, and what was thrown as a gRPC status. */
export function createUnary(options: UnaryOptions): Unary {
  const { tracer = noTracer } = options
  return (method, run, { level = 'debug', span } = {}) =>
    (call, respond) => {
      const startedAt = performance.now()
      const { signal, release } = signalOf(call, options.timeLimitMs)
      const trailer = new Metadata()
      const setTrailer = (name: string, value: string) => trailer.set(name, value)
      const answered = (code: Code, errorCode: string) => {
        release()
        const durationMs = performance.now() - startedAt
        options.onAnswer?.({ method, code, errorCode, durationMs })
        return {
          rpc: method,
          ...options.describe?.(call.request),
          durationMs: Math.round(durationMs),
          code: codeName(code),
        }
      }
      const answer = async () => run(call.request, { signal, setTrailer })
      Promise.resolve()
        .then(() => (span === undefined || tracer === noTracer ? answer() : tracer.span(spanOf(span, call), answer)))
        .then(
          (response) => {
            options.log[level](answered(Code.OK, ''), 'answered')
            respond(null, response, trailer)
          },
          (error: unknown) => {
            const { code, details, errorCode } = (options.statusOf ?? rpcStatus)(error)
            const text = headerText(details)
            // The stack of an error that no part of the server expected is worth its lines.
            const err = code === Code.INTERNAL ? error : undefined
            options.log.error({ ...answered(code, errorCode ?? ''), errorCode, err }, text)
            respond({ code, details: text })
          },
        )
    }
}

function spanOf<Request, Response>(
  { name, attributes }: NonNullable<MethodOptions['span']>,
  { request, metadata }: ServerUnaryCall<Request, Response>,
): SpanSpec {
  const [parent] = metadata.get('traceparent')
  return { name, kind: 'server', attributes: attributes(request), parent: parent?.toString() }
}

function signalOf<Request, Response>(
  call: ServerUnaryCall<Request, Response>,
  timeLimitMs: number | undefined,
): { signal: AbortSignal; release(): void } {
  const controller = new AbortController()
  const late = (limit: string) => new RpcError(Code.DEADLINE_EXCEEDED, `no result within ${limit}`)
  // The deadline is a time of the wall clock, which may be set while the call runs: only what is left of it counts.
  const deadlineMs = new Date(call.getDeadline() as number | Date).getTime()
  const endsAt = performance.now() + deadlineMs - Date.now()
  call.on('cancelled', () => {
    const passed = performance.now() >= endsAt
    controller.abort(passed ? late("the caller's deadline") : new RpcError(Code.CANCELLED, 'the caller left'))
  })
  if (timeLimitMs === undefined) return { signal: controller.signal, release: () => {} }
  const timer = setTimeout(() => controller.abort(late(`${timeLimitMs / 1000} s`)), timeLimitMs)
  return { signal: controller.signal, release: () => clearTimeout(timer) }
}

/**
 * Longest message of an error. It travels in a header, percent-encoded: a character may become nine bytes, and Node sends
 * headers of at most 64 KiB.
 */
const maxDetailsLength = 6000

function headerText(text: string): string {
  // A lone surrogate cannot be encoded.
  const whole = text.toWellFormed()
  return whole.length > maxDetailsLength ? `${whole.slice(0, maxDetailsLength - 1)}…`.toWellFormed() : whole
}

import type { handleUnaryCall } from '@grpc/grpc-js'
import type { Log } from '#lib'
import { Code, codeName, RpcError, rpcStatus } from './rpc-error.ts'

export interface UnaryContext {
  /** Aborts when the caller went away or its deadline passed. */
  signal: AbortSignal
}

/**
 * Makes a gRPC handler of an async function: one log line per call, what was thrown becomes a gRPC status.
 * Requests are never logged: their secrets and volume context hold tokens (CVE-2023-2878 was such a log line).
 */
export function unary<Request, Response>(
  rpc: string,
  log: Log,
  run: (request: Request, context: UnaryContext) => Promise<Response> | Response,
): handleUnaryCall<Request, Response> {
  return (call, respond) => {
    const startedAt = performance.now()
    const abort = new AbortController()
    const deadline = new Date(call.getDeadline() as number | Date).getTime()
    call.on('cancelled', () => {
      const passed = Date.now() >= deadline
      abort.abort(
        passed
          ? new RpcError(Code.DEADLINE_EXCEEDED, `${rpc}: the caller's deadline passed`)
          : new RpcError(Code.CANCELLED, `${rpc}: the caller gave up`),
      )
    })
    const finish = (error?: unknown, response?: Response) => {
      const durationMs = Math.round(performance.now() - startedAt)
      if (error === undefined) {
        log.debug({ rpc, durationMs }, 'answered')
        return respond(null, response)
      }
      const { code, details } = rpcStatus(error)
      log.error({ rpc, durationMs, code: codeName(code), ...(code === Code.INTERNAL ? { err: error } : {}) }, details)
      respond({ code, details })
    }
    Promise.resolve()
      .then(() => run(call.request, { signal: abort.signal }))
      .then(
        (response) => finish(undefined, response),
        (error: unknown) => finish(error ?? new Error('failed without a reason')),
      )
  }
}

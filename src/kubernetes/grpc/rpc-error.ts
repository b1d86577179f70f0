import { status as Code } from '@grpc/grpc-js'
import { CodedError, errorMessage, ProblemsError } from '#lib'

export { Code }

/** A failure that the caller of an RPC sees, with its gRPC code. */
export class RpcError extends CodedError<Code> {}

/** How a failed call is answered. */
export interface RpcStatus {
  code: Code
  details: string
  /** Code of the error in the server's own catalogue, for logs and metrics. */
  errorCode?: string | undefined
}

/** The status of anything that was thrown. Bad input is InvalidArgument; what no part of the server expected is Internal. */
export function rpcStatus(error: unknown): RpcStatus {
  const code =
    error instanceof RpcError ? error.code : error instanceof ProblemsError ? Code.INVALID_ARGUMENT : Code.INTERNAL
  return { code, details: errorMessage(error) }
}

/** Go's name of a code, by which logs and dashboards filter: `OK`, `InvalidArgument`, `Canceled`. */
export function codeName(code: Code): string {
  if (code === Code.OK) return 'OK'
  if (code === Code.CANCELLED) return 'Canceled'
  const words = (Code[code] ?? 'UNKNOWN').toLowerCase().split('_')
  return words.map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`).join('')
}

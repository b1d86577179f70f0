import { status as Code } from '@grpc/grpc-js'
import { errorMessage, ProblemsError } from '#lib'

export { Code }

/** A failure that the caller of an RPC gets to see, with its gRPC code. */
export class RpcError extends Error {
  override readonly name: string = 'RpcError'
  readonly code: Code

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Headers carry the message: longer ones are refused by some clients. */
const maxMessageLength = 4096

/** The code and message of anything that was thrown. Bad input is InvalidArgument, the unexpected is Internal. */
export function rpcStatus(error: unknown): { code: Code; details: string } {
  const code =
    error instanceof RpcError ? error.code : error instanceof ProblemsError ? Code.INVALID_ARGUMENT : Code.INTERNAL
  // The message travels percent-encoded, which a lone surrogate would break.
  const text = errorMessage(error).toWellFormed()
  return { code, details: text.length > maxMessageLength ? `${text.slice(0, maxMessageLength - 1)}…` : text }
}

/** The code's name as people write it: `InvalidArgument`. */
export function codeName(code: Code): string {
  const words = (Code[code] ?? 'UNKNOWN').toLowerCase().split('_')
  return words.map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`).join('')
}

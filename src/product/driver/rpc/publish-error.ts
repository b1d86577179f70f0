import { type Code, RpcError } from '#kubernetes/grpc'
import { errorMessage } from '#lib'

/**
 * Why a publish failed, in the words that upstream's dashboards count by (metric label `error_type`).
 * A provider may answer with a code of its own, which is then used.
 */
export type PublishErrorType =
  | 'FailedToMount'
  | 'FailedToEnsureMountPoint'
  | 'SecretProviderClassNotFound'
  | 'GRPCProviderError'
  | 'FailedToLookupProviderGRPCClient'
  | 'FileWriteError'
  | (string & {})

/** A failed publish or rotation. */
export class PublishError extends RpcError {
  readonly errorType: PublishErrorType

  constructor(errorType: PublishErrorType, code: Code, message: string, options?: ErrorOptions) {
    super(code, message, options)
    this.errorType = errorType
  }

  /** Puts `what` before the message of a cause. */
  static because(errorType: PublishErrorType, code: Code, what: string, cause: unknown): PublishError {
    return new PublishError(errorType, code, `${what}: ${errorMessage(cause)}`, { cause })
  }
}

/** The `error_type` of anything that a publish threw. */
export function errorTypeOf(error: unknown): PublishErrorType {
  return error instanceof PublishError ? error.errorType : 'FailedToMount'
}

import { CodedError } from '#lib'

export interface RefusalOptions extends ErrorOptions {
  /** Code of Key Vault's `innererror`, for example `ForbiddenByRbac`. */
  innerCode?: string | undefined
  headers?: Readonly<Record<string, string>> | undefined
}

/**
 * A request that an emulated service refuses, with what all of Azure's errors have in common. Handlers throw it; the service
 * renders it in its own shape ({@link Service.refuse}).
 */
export class Refusal extends CodedError {
  /** HTTP status. */
  readonly status: number
  readonly innerCode: string | undefined
  readonly headers: Readonly<Record<string, string>>

  /** @param code is Azure's, for example `ResourceNotFound`. */
  constructor(status: number, code: string, message: string, options: RefusalOptions = {}) {
    super(code, message, options)
    this.status = status
    this.innerCode = options.innerCode
    this.headers = options.headers ?? {}
  }
}

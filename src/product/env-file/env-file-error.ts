import { CodedError } from '#lib'
import type { EnvCode } from '#product/error-catalogue'

/** Why the file is not written. The message never has a value, and ends with the code. */
export class EnvFileError extends CodedError<EnvCode> {
  constructor(code: EnvCode, message: string, options: ErrorOptions = {}) {
    super(code, `${message} [${code}]`, options)
  }
}

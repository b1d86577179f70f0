import { CodedError } from '#lib'

/**
 * A request that must not be admitted as it is. The message reaches whatever client creates the object; `code` is the HTTP
 * status in the answer.
 */
export class AdmissionDenied extends CodedError<number> {
  constructor(message: string, code = 400, options: ErrorOptions = {}) {
    super(code, message, options)
  }
}

/** A request that is refused because this program could not find out what it needs: no fault of the request, and counted as `failed`. */
export class AdmissionFailed extends AdmissionDenied {}

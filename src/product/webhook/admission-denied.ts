/** A pod that must not be created as it is. The message reaches whoever creates it; `code` is the status of the answer. */
export class AdmissionDenied extends Error {
  override readonly name = 'AdmissionDenied'
  readonly code: number

  constructor(message: string, code = 400, options: ErrorOptions = {}) {
    super(message, options)
    this.code = code
  }
}

import { json } from '../http/service.ts'
import { ServiceError } from '../http/service-error.ts'

/** A refusal of Key Vault's data plane. */
export class VaultError extends ServiceError {
  override readonly name = 'VaultError'
  readonly innerCode: string | undefined

  constructor(
    status: number,
    code: string,
    message: string,
    options: { innerCode?: string; headers?: Record<string, string> } = {},
  ) {
    super(status, code, message, options.headers)
    this.innerCode = options.innerCode
  }
}

export function vaultErrorResponse({ status, code, message, innerCode, headers }: VaultError): Response {
  const innererror = innerCode === undefined ? {} : { innererror: { code: innerCode } }
  return json(status, { error: { code, message, ...innererror } }, headers)
}

export function badParameter(message: string): VaultError {
  return new VaultError(400, 'BadParameter', message)
}

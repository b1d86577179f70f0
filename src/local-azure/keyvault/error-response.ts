import { json } from '../http/service.ts'

/** A refusal of Key Vault's data plane. */
export class VaultError extends Error {
  override readonly name = 'VaultError'
  readonly status: number
  readonly code: string
  readonly innerCode: string | undefined
  readonly headers: Record<string, string>

  constructor(
    status: number,
    code: string,
    message: string,
    options: { innerCode?: string; headers?: Record<string, string> } = {},
  ) {
    super(message)
    this.status = status
    this.code = code
    this.innerCode = options.innerCode
    this.headers = options.headers ?? {}
  }
}

export function vaultErrorResponse({ status, code, message, innerCode, headers }: VaultError): Response {
  const innererror = innerCode === undefined ? {} : { innererror: { code: innerCode } }
  return json(status, { error: { code, message, ...innererror } }, headers)
}

export function badParameter(message: string): VaultError {
  return new VaultError(400, 'BadParameter', message)
}

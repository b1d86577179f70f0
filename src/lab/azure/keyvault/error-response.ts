import { Refusal } from '../http/refusal.ts'
import { json } from '../http/service.ts'

/** A refusal as Key Vault's data plane answers it. */
export function vaultErrorResponse({ status, code, message, innerCode, headers }: Refusal): Response {
  const innererror = innerCode === undefined ? undefined : { code: innerCode }
  return json(status, { error: { code, message, innererror } }, headers)
}

export function badParameter(message: string): Refusal {
  return new Refusal(400, 'BadParameter', message)
}

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

/** Refuses a key of this size, in bits. */
export function unsupportedKeySize(bits: number, supported: readonly number[]): Refusal {
  const message = `Unsupported key size (${bits}). Supported sizes are [${supported.join(', ')}]`
  return new Refusal(400, 'BadParameter', message, { innerCode: 'KeySizeNotSupported' })
}

export function unsupportedKeyCurve(curve: string): Refusal {
  return new Refusal(400, 'BadParameter', `The key curve ${curve} is not supported.`, {
    innerCode: 'KeyCurveNotSupported',
  })
}

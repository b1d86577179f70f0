import { type DriverErrorCode, driverErrors } from './driver-errors.ts'
import type { CatalogueEntry } from './explanation.ts'
import { type ProviderErrorCode, providerErrors } from './provider-errors.ts'

export type ErrorCode = ProviderErrorCode | DriverErrorCode

/** Every cause of a failed mount. */
export const errorCatalogue: Readonly<Record<ErrorCode, CatalogueEntry>> = { ...providerErrors, ...driverErrors }

/**
 * Whether this code of a provider’s error means that the vault or Entra could not answer: the name was not resolved, the connection was refused
 * or broke, no answer came in time, no TLS, 5xx, or 429 for as long as the mount may wait. Then, and only then, other sources may answer: the
 * fallback vault, values of this node, the fallback Secret. What was decided by a person (401, 403, 404, a disabled, expired or deleted object,
 * a refusal of Entra's with an AADSTS number) never counts.
 */
export function isOutage(code: string): boolean {
  return Object.hasOwn(errorCatalogue, code) && errorCatalogue[code as ErrorCode].outage === true
}

import { type FindingCode, findings } from './doctor-findings.ts'
import { driverErrors } from './driver-errors.ts'
import { type EnvCode, envFindings, envRefusals } from './env-findings.ts'
import { type ErrorCode, errorCatalogue } from './error-catalogue.ts'
import type { Explanation } from './explanation.ts'
import { type SyncCode, syncFindings } from './sync-findings.ts'

/** Every code that a user can meet. */
export type AnyCode = ErrorCode | FindingCode | SyncCode | EnvCode

/** What each code means. `docs/errors.md` and `keymount explain` are made from it. */
export const explanations: Readonly<Record<AnyCode, Explanation>> = {
  ...errorCatalogue,
  ...findings,
  ...syncFindings,
  ...envFindings,
}

export function isCode(text: string): text is AnyCode {
  return Object.hasOwn(explanations, text)
}

/** Which program reports a code. */
export interface Reporter {
  program: 'driver' | 'provider' | 'doctor' | 'sync controller' | 'env-file' | 'webhook'
  /** Status of the answer, if a mount fails with it. */
  grpc: string | undefined
  /** Whether the vault or Entra could not answer. */
  isOutage: boolean
}

export function reporterOf(code: AnyCode): Reporter {
  const none = { grpc: undefined, isOutage: false }
  if (Object.hasOwn(syncFindings, code)) return { program: 'sync controller', ...none }
  if (Object.hasOwn(envFindings, code))
    return { program: envRefusals.includes(code as EnvCode) ? 'webhook' : 'env-file', ...none }
  if (Object.hasOwn(findings, code)) return { program: 'doctor', ...none }
  const { grpc, outage = false } = errorCatalogue[code as ErrorCode]
  return { program: Object.hasOwn(driverErrors, code) ? 'driver' : 'provider', grpc, isOutage: outage }
}

/** The codes in square brackets of an error or an event, each once, in their order. */
export function codesIn(text: string): AnyCode[] {
  const words = [...text.matchAll(/\[([a-z]+(?:-[a-z]+)*)\]/g)].map(([, word = '']) => word)
  return [...new Set(words.filter(isCode))]
}

import type { DriverErrorCode } from '#product/error-catalogue'

/** The text of an error with its code, as providers of ours begin theirs: `[class-not-found] …`. */
export function codedText(code: DriverErrorCode, text: string): string {
  return `[${code}] ${text}`
}

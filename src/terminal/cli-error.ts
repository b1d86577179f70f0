import { CodedError } from '#lib'

/** Exit statuses of the command line, as its help states them. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notUp: 3, interrupted: 130 } as const

export type CliErrorCode = Exclude<keyof typeof exitCodes, 'ok'>

export interface CliErrorParts {
  /** What could not be done. */
  what: string
  /** Why, with what was found; one reason per line. */
  why?: string | undefined
  /** What the user can do now, one way per entry. */
  fix?: readonly string[] | undefined
  /** Longer evidence, such as the end of a log. */
  detail?: string | undefined
  /** Names the exit status. Default `failed`. */
  code?: CliErrorCode | undefined
  cause?: unknown
}

/** A failure that is printed for the user as what, why and how to fix it. */
export class CliError extends CodedError<CliErrorCode> {
  readonly what: string
  readonly why: string | undefined
  readonly fix: readonly string[]
  readonly detail: string | undefined

  constructor({ what, why, fix = [], detail, code = 'failed', cause }: CliErrorParts) {
    super(code, why === undefined ? what : `${what}: ${why}`, { cause })
    this.what = what
    this.why = why
    this.fix = fix
    this.detail = detail
  }

  get exitCode(): number {
    return exitCodes[this.code]
  }
}

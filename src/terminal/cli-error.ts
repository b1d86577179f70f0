/** Exit statuses of the command line, as its help states them. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notUp: 3, interrupted: 130 } as const

export interface CliErrorParts {
  /** What could not be done. */
  what: string
  /** Why, with what was found; one reason per line. */
  why?: string | undefined
  /** What the user can do now, one way per entry. */
  fix?: readonly string[]
  /** Longer evidence, such as the end of a log. */
  detail?: string | undefined
  exitCode?: number
  cause?: unknown
}

/** A failure that is told to the user as what, why and how to fix. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly what: string
  readonly why: string | undefined
  readonly fix: readonly string[]
  readonly detail: string | undefined
  readonly exitCode: number

  constructor({ what, why, fix = [], detail, exitCode = exitCodes.failed, cause }: CliErrorParts) {
    super(why === undefined ? what : `${what}: ${why}`, { cause })
    this.what = what
    this.why = why
    this.fix = fix
    this.detail = detail
    this.exitCode = exitCode
  }
}

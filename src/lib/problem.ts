/**
 * One thing that is wrong with an input: where, what was found and what would be right.
 * Parsers collect all of them and throw once; whoever owns the wire renders them (gRPC InvalidArgument, Kubernetes 422, command line).
 */
export interface Problem {
  /** Path of the field, for example `objects[2].objectType`; empty when the whole input is meant. */
  path: string
  message: string
}

/** Every problem of one input, in the order found. */
export class ProblemsError extends Error {
  override readonly name = 'ProblemsError'
  readonly problems: readonly Problem[]

  /** @param what names the input, for example `SecretProviderClass default/app`. */
  constructor(what: string, problems: readonly Problem[]) {
    super(`${what}: ${problems.map(formatProblem).join('; ')}`)
    this.problems = problems
  }
}

export function formatProblem({ path, message }: Problem): string {
  return path === '' ? message : `${path}: ${message}`
}

/** The text of anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** The `code` of a Node system error such as `ENOENT`, or undefined. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

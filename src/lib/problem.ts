import { withoutUserInfo } from './without-user-info.ts'

/**
 * One thing that is wrong with an input: where, what was found and what would be right.
 * Parsers collect all of them in {@link Problems} and throw once; each wire renders them its own way (gRPC InvalidArgument,
 * Kubernetes 422, the command line).
 */
export interface Problem {
  /** Path of the field, for example `objects[2].objectType`; empty when the whole input is meant. */
  path: string
  message: string
}

/** More problems than this help no reader, and an input can be made to have any number of them. */
const maxReported = 50

/**
 * Collects what is wrong with one input. At most {@link maxReported} problems are kept; the rest is counted, so that neither
 * memory nor the error's text grows with a hostile input.
 */
export class Problems {
  readonly #shared: { list: Problem[]; count: number }
  readonly #prefix: string

  constructor(shared: { list: Problem[]; count: number } = { list: [], count: 0 }, prefix = '') {
    this.#shared = shared
    this.#prefix = prefix
  }

  /** @param path of the field, below the path that {@link at} was given. */
  add(path: string, message: string): void {
    this.#shared.count++
    if (this.#shared.list.length < maxReported)
      this.#shared.list.push(shortened({ path: `${this.#prefix}${path}`, message }))
  }

  /** Adds `found "X", expected Y`. The user and password of a URL are left out. */
  unexpected(path: string, found: unknown, expected: string): void {
    const shown = typeof found === 'string' ? JSON.stringify(withoutUserInfo(found)) : String(found)
    this.add(path, `found ${shown}, expected ${expected}`)
  }

  /** The same collection, for a parser of a part of the input: paths that are added there get this prefix. */
  at(prefix: string): Problems {
    return new Problems(this.#shared, `${this.#prefix}${prefix}`)
  }

  /** What was added, in order; the last one has the number of the others. */
  get list(): readonly Problem[] {
    const { list, count } = this.#shared
    return count <= list.length ? list : [...list, { path: '', message: `and ${count - list.length} more` }]
  }

  /** Whether further problems are only counted, so that hints for them are not worth computing. */
  get full(): boolean {
    return this.#shared.list.length >= maxReported
  }

  /** How many were added, those beyond the limit included. */
  get count(): number {
    return this.#shared.count
  }

  /** Throws {@link ProblemsError} if anything was added. @param what names the input. */
  throwIfAny(what: string): void {
    if (this.count > 0) throw new ProblemsError(what, this.list)
  }
}

/** Problems quote what was found, which may be as long as the input. */
const maxLength = 1000

/** A problem that is short enough to be reported: path and message of at most 1,000 characters each. */
export function shortened({ path, message }: Problem): Problem {
  const cut = (text: string) => (text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`)
  return { path: cut(path), message: cut(message) }
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

import { CommanderError } from 'commander'
import { IdentityError } from '#azure/identity'
import { AzureRestError, isAzureForbidden } from '#azure/rest'
import { KubeError } from '#kubernetes/client'
import { errorCode, errorMessage, formatProblem, nearestName, ProblemsError } from '#lib'
import { HttpFault } from '#lib/http'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'

export interface FailedRun {
  world: CliWorld
  /** The command that ran: `keymount azure throttle`. */
  path: string
  /** Its help, if it lacked its subcommand. */
  help: string
  choice?: Choice | undefined
}

/** A word after a command, and the subcommands that there are. */
export interface Choice {
  word: string
  names: readonly string[]
}

/** Prints what went wrong, why, and what to do. Gives the exit status. */
export function reportError(error: unknown, { world, path, help, choice }: FailedRun): number {
  const terminal = createTerminal(world)
  if (world.signal.aborted) {
    terminal.error('keymount: interrupted')
    return exitCodes.interrupted
  }
  // A command that only has subcommands was called without one.
  if (error instanceof CommanderError && error.code === 'commander.help') {
    world.stderr.write(help)
    return exitCodes.usage
  }
  const failure = toCliError(error, { world, path, choice })
  print(failure, terminal)
  return failure.exitCode
}

function print({ what, why, fix, detail }: CliError, { style, error }: Terminal): void {
  error(`${style.bad('keymount:')} ${what}`)
  for (const line of why?.split('\n') ?? []) error(`  ${style.dim('why')}  ${line}`)
  for (const way of fix) error(`  ${style.dim('fix')}  ${way}`)
  for (const line of detail === undefined || detail === '' ? [] : detail.split('\n')) error(`    ${line}`)
}

function toCliError(error: unknown, { world, path, choice }: Omit<FailedRun, 'help'>): CliError {
  if (error instanceof CliError) return error
  if (error instanceof CommanderError) return usageError(error, path, choice)
  if (error instanceof ProblemsError) {
    const why = error.problems.length > 1 ? error.problems.map(formatProblem).join('\n') : error.message
    return new CliError({
      what: 'The input is not valid',
      why,
      fix: [`see ${path} --help`],
      code: 'usage',
      cause: error,
    })
  }
  if (error instanceof KubeError) return kubeProblem(error)
  if (error instanceof AzureRestError || error instanceof IdentityError || error instanceof HttpFault) {
    const fix = isAzureForbidden(error)
      ? ['sign in with an account that has the rights listed in docs/identity.md']
      : []
    return new CliError({ what: 'A request to Azure failed', why: error.message, fix, cause: error })
  }
  return fileProblem(error, world.cacheDirectory) ?? unexpected(error)
}

/** Commander's message is `error: …`, with its suggestion in parentheses on a second line. */
function usageError(cause: CommanderError, path: string, choice: Choice | undefined): CliError {
  if (cause.code === 'commander.excessArguments' && choice !== undefined) {
    const near = nearestName(choice.word, choice.names)
    return new CliError({
      what: `${path} has no subcommand ${JSON.stringify(choice.word)}`,
      fix: [...(near === undefined ? [] : [`did you mean ${near}?`]), `one of: ${choice.names.join(', ')}`],
      code: 'usage',
      cause,
    })
  }
  const [first = '', ...rest] = cause.message.split('\n')
  const suggestions = rest.map((line) => line.replace(/^\(D(.*)\)$/, 'd$1'))
  return new CliError({
    what: first.replace(/^error: /, ''),
    fix: [...suggestions, `see ${path} --help`],
    code: 'usage',
    cause,
  })
}

function kubeProblem(error: KubeError): CliError {
  const fix: Record<number, string[]> = {
    0: ['check that the cluster is up: keymount status'],
    401: ['the credentials of the kubeconfig are not valid; get new ones'],
    403: ['use the kubeconfig of an administrator of the cluster'],
  }
  return new CliError({
    what: 'A request to the cluster failed',
    why: error.message,
    fix: fix[error.status] ?? [],
    cause: error,
  })
}

const ofLab = ' (for the state of the lab: --home DIR)'

/** What users can do when a file cannot be written. errno(3) */
const fileReasons: Record<string, { why: string; fix: string }> = {
  ENOSPC: { why: 'the disk is full', fix: 'free some space, then run the same command again; nothing was lost' },
  EDQUOT: {
    why: 'the disk quota is used up',
    fix: 'free some space, then run the same command again; nothing was lost',
  },
  EROFS: { why: 'the file system is read-only', fix: `choose another directory${ofLab}` },
  EACCES: {
    why: 'this user has no right to write there',
    fix: `choose another directory${ofLab}, or change its owner`,
  },
  ENOENT: { why: 'the file system allows no directory there', fix: `choose another directory${ofLab}` },
  EPERM: { why: 'this user has no right to do that', fix: 'run it as the user who started the lab' },
  ENOTDIR: {
    why: 'a file is where a directory is needed',
    fix: `choose another directory${ofLab}`,
  },
  EEXIST: { why: 'a file of this name exists', fix: `choose another directory${ofLab}` },
}

function fileProblem(error: unknown, cacheDirectory: string): CliError | undefined {
  const reason = fileReasons[errorCode(error) ?? '']
  if (reason === undefined) return undefined
  // A file that is missing or in the way elsewhere is a mistake of this program, whose stack helps.
  if (/^E(NOENT|XIST)$/.test(errorCode(error) ?? '') && (error as NodeJS.ErrnoException).syscall !== 'mkdir')
    return undefined
  const path = (error as NodeJS.ErrnoException).path
  // A write to an open file does not name it.
  const what =
    path === undefined ? `Cannot write to ${cacheDirectory}, or to the state of the lab` : `Cannot write ${path}`
  return new CliError({ what, why: `${reason.why} (${errorMessage(error)})`, fix: [reason.fix], cause: error })
}

function unexpected(error: unknown): CliError {
  return new CliError({
    what: `Unexpected error: ${errorMessage(error)}`,
    detail: error instanceof Error ? error.stack : undefined,
    cause: error,
  })
}

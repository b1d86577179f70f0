import { IdentityError } from '#azure/identity'
import { AzureRestError, isAzureForbidden } from '#azure/rest'
import { KubeError } from '#kubernetes/client'
import { errorCode, errorMessage, formatProblem, ProblemsError } from '#lib'
import { HttpFault } from '#lib/http'
import { CliError, exitCodes } from './cli-error.ts'
import type { Terminal } from './terminal.ts'

/** Tells the user what went wrong, why, and what to do; gives the exit status. */
export function printError(error: unknown, terminal: Terminal): number {
  const { what, why, fix, detail, exitCode } = toCliError(error)
  const { style } = terminal
  terminal.error(`${style.bad('keymount:')} ${what}`)
  for (const line of why?.split('\n') ?? []) terminal.error(`  ${style.dim('why')}  ${line}`)
  for (const way of fix) terminal.error(`  ${style.dim('fix')}  ${way}`)
  if (detail !== undefined && detail !== '') terminal.error(indent(detail))
  return exitCode
}

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => `    ${line}`)
    .join('\n')
}

function toCliError(error: unknown): CliError {
  if (error instanceof CliError) return error
  if (error instanceof ProblemsError) {
    const why = error.problems.length > 1 ? error.problems.map(formatProblem).join('\n') : error.message
    return new CliError({ what: 'The input is not right', why, exitCode: exitCodes.usage, cause: error })
  }
  if (error instanceof KubeError) return kubeProblem(error)
  if (error instanceof AzureRestError || error instanceof IdentityError || error instanceof HttpFault) {
    const fix = isAzureForbidden(error) ? ['sign in as somebody who may: docs/identity.md names the rights'] : []
    return new CliError({ what: 'Azure did not do what was asked', why: error.message, fix, cause: error })
  }
  return fileProblem(error) ?? unexpected(error)
}

function kubeProblem(error: KubeError): CliError {
  const fix: Record<number, string[]> = {
    0: ['see whether the cluster is up: keymount status'],
    401: ['the kubeconfig’s credentials are not valid; get new ones'],
    403: ['use a kubeconfig of an administrator of the cluster'],
  }
  return new CliError({
    what: 'The cluster did not do what was asked',
    why: error.message,
    fix: fix[error.status] ?? [],
    cause: error,
  })
}

/** What users can mend when a file cannot be written. errno(3) */
const fileReasons: Record<string, { why: string; fix: string }> = {
  ENOSPC: { why: 'the disk is full', fix: 'make room, then run the same command again; nothing was lost' },
  EDQUOT: { why: 'the disk quota is used up', fix: 'make room, then run the same command again; nothing was lost' },
  EROFS: { why: 'the file system is read-only', fix: 'choose another state directory: --home DIR' },
  EACCES: {
    why: 'this user may not write there',
    fix: 'choose another state directory: --home DIR, or change its owner',
  },
  EPERM: { why: 'this user may not do that', fix: 'use the user who started the lab' },
  ENOTDIR: { why: 'a file stands where a directory must be', fix: 'choose another state directory: --home DIR' },
}

function fileProblem(error: unknown): CliError | undefined {
  const reason = fileReasons[errorCode(error) ?? '']
  if (reason === undefined) return undefined
  const path = (error as NodeJS.ErrnoException).path
  const what = path === undefined ? 'A system call failed' : `Cannot write ${path}`
  return new CliError({ what, why: `${reason.why} (${errorMessage(error)})`, fix: [reason.fix], cause: error })
}

function unexpected(error: unknown): CliError {
  return new CliError({
    what: `Unexpected: ${errorMessage(error)}`,
    detail: error instanceof Error ? error.stack : undefined,
    cause: error,
  })
}

import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { type LogLevel, logLevels, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, parseGoFlags } from '#lib/flags'
import type { LocalAzureOptions } from './start-local-azure.ts'

/** The command line of `local-azure`. */
export const localAzureFlags = {
  state: { type: 'string', default: '', help: 'directory of the state; required' },
  listen: { type: 'string', default: '127.0.0.1', help: 'IP address to listen on' },
  port: { type: 'integer', default: 18443, help: 'port of the HTTPS proxy; 0 takes a free one' },
  'imds-port': { type: 'integer', default: 18169, help: 'port of IMDS; 0 takes a free one' },
  'issuer-ca': {
    type: 'strings',
    default: [],
    help: 'PEM file with the authority of an outside token issuer, such as a cluster; may appear later; repeatable',
  },
  clusters: {
    type: 'string',
    default: '',
    help: 'home of the lab whose clusters stand behind managed clusters (default: none can be made)',
  },
  delay: { type: 'duration', default: 0, help: 'time that every answer waits' },
  'log-level': { type: 'string', default: 'info', help: logLevels.join(', ') },
} as const satisfies FlagSpecs

export interface LocalAzureConfig extends LocalAzureOptions {
  /** Home of a lab that runs clusters. */
  clustersHome: string | undefined
  logLevel: LogLevel
}

/** Reads the command line. Throws {@link ProblemsError} with everything that is wrong with it. */
export function localAzureConfig(argv: readonly string[]): LocalAzureConfig {
  const flags = parseGoFlags('local-azure', localAzureFlags, argv)
  const logLevel = logLevels.find((level) => level === flags['log-level'])
  const problems: Problem[] = []
  if (flags.state === '') problems.push({ path: '--state', message: 'is required: a directory for the state' })
  if (isIP(flags.listen) === 0) {
    problems.push({ path: '--listen', message: `found "${flags.listen}", expected an IP address` })
  }
  for (const name of ['port', 'imds-port'] as const) {
    const found = flags[name]
    if (found < 0 || found > 65_535)
      problems.push({ path: `--${name}`, message: `found ${found}, expected 0 to 65535` })
  }
  if (flags.delay < 0) problems.push({ path: '--delay', message: `found ${flags.delay} ms, expected 0s or more` })
  if (logLevel === undefined) {
    problems.push({
      path: '--log-level',
      message: `found "${flags['log-level']}", expected one of ${logLevels.join(', ')}`,
    })
  }
  if (problems.length > 0 || logLevel === undefined) throw new ProblemsError('local-azure', problems)
  return {
    stateDir: resolve(flags.state),
    listen: flags.listen,
    port: flags.port,
    imdsPort: flags['imds-port'],
    issuerCaFiles: flags['issuer-ca'].map((file) => resolve(file)),
    delayMs: flags.delay,
    clustersHome: flags.clusters === '' ? undefined : resolve(flags.clusters),
    logLevel,
  }
}

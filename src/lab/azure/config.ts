import { resolve } from 'node:path'
import { type LogLevel, logLevels, type Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { readMachineProxy } from './proxy/machine-proxy.ts'
import type { LocalAzureOptions } from './start-local-azure.ts'

export const localAzureFlags = {
  state: { type: 'string', default: '', required: 'a directory', help: 'Directory of the state' },
  listen: { type: 'ip', default: '127.0.0.1', help: 'IP address to listen on' },
  port: { type: 'port', default: 18443, help: 'Port of the HTTPS proxy; 0 takes a free one' },
  'imds-port': { type: 'port', default: 18169, help: 'Port of IMDS; 0 takes a free one' },
  'issuer-ca': {
    type: 'strings',
    default: [],
    help: 'PEM file with the CA of an external token issuer, such as a cluster; may be created later; repeatable',
  },
  clusters: {
    type: 'string',
    default: '',
    help: 'Home of the lab that runs managed clusters (default: managed clusters cannot be created)',
  },
  offline: {
    type: 'boolean',
    default: false,
    help: 'Refuse connections to hosts that the local Azure does not serve, instead of forwarding them',
  },
  delay: { type: 'duration', default: 0, help: 'Delay of every response' },
  'log-level': { type: 'choice', values: logLevels, default: 'info', help: 'Verbosity of the log' },
} as const satisfies FlagSpecs

export interface LocalAzureConfig extends LocalAzureOptions {
  /** Home of a lab that runs clusters. */
  clustersHome: string | undefined
  logLevel: LogLevel
}

export const localAzureProgram: Program<typeof localAzureFlags, LocalAzureConfig> = {
  name: 'local-azure',
  summary: 'The local Azure: Entra, Resource Manager, Graph, Key Vault and IMDS on loopback.',
  flags: localAzureFlags,
  configure,
}

function configure(flags: FlagValues<typeof localAzureFlags>, env: Environment, problems: Problems): LocalAzureConfig {
  return {
    stateDir: resolve(flags.state),
    listen: flags.listen,
    port: flags.port,
    imdsPort: flags['imds-port'],
    issuerCaFiles: flags['issuer-ca'].map((file) => resolve(file)),
    forwarding: flags.offline ? undefined : { proxyFor: readMachineProxy(env, problems) },
    delayMs: flags.delay,
    clustersHome: flags.clusters === '' ? undefined : resolve(flags.clusters),
    logLevel: flags['log-level'],
  }
}

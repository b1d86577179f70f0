import { isIP } from 'node:net'
import { type LogLevel, logLevels, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, parseGoFlags } from '#lib/flags'

const flags = {
  state: { type: 'string', default: '', help: 'Directory of everything that survives a restart. Required.' },
  listen: { type: 'string', default: '127.0.0.1', help: 'Address to listen on.' },
  port: { type: 'integer', default: 16_443, help: 'Port of the API server; 0 takes a free one.' },
  image: { type: 'strings', default: [], help: 'NAME=ROOTFS: a container image and the directory that stands for it.' },
  'sync-frequency': { type: 'duration', default: 60_000, help: 'How often the node agent looks after each pod.' },
  'node-name': { type: 'string', default: 'keymount-local', help: 'Name of the one node.' },
  'log-level': { type: 'string', default: 'info', help: `One of ${logLevels.join(', ')}.` },
} as const satisfies FlagSpecs

export interface LocalClusterConfig {
  stateDir: string
  listen: string
  port: number
  images: ReadonlyMap<string, string>
  syncFrequencyMs: number
  nodeName: string
  logLevel: LogLevel
}

/** The configuration of the `local-cluster` program. Throws ProblemsError with everything that is wrong. */
export function localClusterConfig(argv: readonly string[]): LocalClusterConfig {
  const values = parseGoFlags('local-cluster', flags, argv)
  const problems: Problem[] = []
  const { state, listen, port, image } = values
  if (state === '') problems.push({ path: '--state', message: 'is required: a directory' })
  if (isIP(listen) === 0) problems.push({ path: '--listen', message: `found "${listen}", expected an IP address` })
  if (port < 0 || port > 65_535) problems.push({ path: '--port', message: `found ${port}, expected 0 to 65535` })
  const logLevel = logLevels.find((level) => level === values['log-level'])
  if (logLevel === undefined) {
    problems.push({ path: '--log-level', message: `found "${values['log-level']}", expected ${logLevels.join(', ')}` })
  }
  const images = new Map<string, string>()
  for (const entry of image) {
    const at = entry.indexOf('=')
    if (at < 1) problems.push({ path: '--image', message: `found "${entry}", expected NAME=ROOTFS` })
    else images.set(entry.slice(0, at), entry.slice(at + 1))
  }
  if (problems.length > 0) throw new ProblemsError('local-cluster', problems)
  return {
    stateDir: state,
    listen,
    port,
    images,
    syncFrequencyMs: values['sync-frequency'],
    nodeName: values['node-name'],
    logLevel: logLevel ?? 'info',
  }
}

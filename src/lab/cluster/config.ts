import { resolve } from 'node:path'
import { type LogLevel, logLevels, type Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'

export const localClusterFlags = {
  state: {
    type: 'string',
    default: '',
    required: 'a directory',
    help: 'Directory of the state, which survives a restart',
  },
  listen: { type: 'ip', default: '127.0.0.1', help: 'IP address to listen on' },
  port: { type: 'port', default: 16_443, help: 'Port of the API server; 0 takes a free one' },
  image: {
    type: 'strings',
    default: [],
    help: 'NAME=ROOTFS: a container image and the directory with its files; a NAME without a tag stands for all tags, and */NAME for all registries',
  },
  'image-overlay': {
    type: 'string',
    default: '',
    help: 'Directory that lies over every image of --image; .environment in it may hold a JSON object of variables',
  },
  'azure-control': {
    type: 'string',
    default: '',
    help: 'Control socket of a local Azure: the API server then has a token proxy for its identity bindings',
  },
  'pod-network': {
    type: 'boolean',
    default: false,
    help: 'Give every pod a network of its own, where the machine allows it',
  },
  'sync-frequency': {
    type: 'duration',
    default: 60_000,
    help: 'Time between two checks of each pod by the node agent',
  },
  'node-name': { type: 'string', default: 'keymount-local', help: 'Name of the one node' },
  'log-level': { type: 'choice', values: logLevels, default: 'info', help: 'Verbosity of the log' },
} as const satisfies FlagSpecs

export interface LocalClusterConfig {
  stateDir: string
  listen: string
  port: number
  images: ReadonlyMap<string, string>
  imageOverlay: string | undefined
  azureControl: string | undefined
  podNetwork: boolean
  syncFrequencyMs: number
  nodeName: string
  logLevel: LogLevel
}

export const localClusterProgram: Program<typeof localClusterFlags, LocalClusterConfig> = {
  name: 'local-cluster',
  summary: 'The local cluster: an API server, controllers, and a node agent that runs pods as Linux processes.',
  flags: localClusterFlags,
  configure,
}

function configure(
  flags: FlagValues<typeof localClusterFlags>,
  _env: Environment,
  problems: Problems,
): LocalClusterConfig {
  const images = new Map<string, string>()
  for (const entry of flags.image) {
    const at = entry.indexOf('=')
    if (at < 1) problems.unexpected('--image', entry, 'NAME=ROOTFS')
    else images.set(entry.slice(0, at), entry.slice(at + 1))
  }
  return {
    stateDir: resolve(flags.state),
    listen: flags.listen,
    port: flags.port,
    images,
    imageOverlay: flags['image-overlay'] === '' ? undefined : resolve(flags['image-overlay']),
    azureControl: flags['azure-control'] === '' ? undefined : resolve(flags['azure-control']),
    podNetwork: flags['pod-network'],
    syncFrequencyMs: flags['sync-frequency'],
    nodeName: flags['node-name'],
    logLevel: flags['log-level'],
  }
}

import { findCloud } from '#azure/identity'
import type { Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues } from '#lib/flags'
import { parseDuration } from '#lib/formats'

export const eventsFlags = {
  events: {
    type: 'boolean',
    default: false,
    help: 'Receive events of vaults, and have the drivers read what has changed at once',
  },
  'events-queue': {
    type: 'string',
    default: '',
    help: 'Storage queue that Event Grid writes to: https://ACCOUNT.queue.core.windows.net/QUEUE',
  },
  'events-watch-vaults': {
    type: 'strings',
    default: [],
    help: 'Vaults to list at an interval for changes (metadata only), each as NAME=INTERVAL, for example shop=15s',
  },
  'events-namespaces': { type: 'strings', default: [], help: 'Only classes of these namespaces (default: all)' },
  'events-cloud': { type: 'string', default: '', help: 'Azure cloud of queue and vaults (default: AzurePublicCloud)' },
} as const satisfies FlagSpecs

export interface WatchedVault {
  name: string
  intervalMs: number
}

/** The part `events` of the operator. */
export interface EventsConfig {
  queue: URL | undefined
  vaults: readonly WatchedVault[]
  /** Empty: all. */
  namespaces: readonly string[]
  /** Name of the cloud; empty for the public one. */
  cloud: string
  identity: { clientId: string; tenantId: string; tokenFile: string }
}

/** Undefined where the part is off. */
export function eventsConfig(
  flags: FlagValues<typeof eventsFlags>,
  env: Environment,
  problems: Problems,
): EventsConfig | undefined {
  if (!flags.events) return undefined
  if (flags['events-queue'] === '' && flags['events-watch-vaults'].length === 0)
    problems.add('--events', 'needs --events-queue or --events-watch-vaults: where events come from')
  if (findCloud(flags['events-cloud']) === undefined)
    problems.unexpected(
      '--events-cloud',
      flags['events-cloud'],
      'a cloud such as AzurePublicCloud or AzureUSGovernmentCloud',
    )
  return {
    queue: parseQueueUrl(flags['events-queue'], problems),
    vaults: flags['events-watch-vaults'].flatMap((text) => parseWatchedVault(text, problems) ?? []),
    namespaces: flags['events-namespaces'],
    cloud: flags['events-cloud'],
    identity: {
      clientId: variable('AZURE_CLIENT_ID', env, problems),
      tenantId: variable('AZURE_TENANT_ID', env, problems),
      tokenFile: variable('AZURE_FEDERATED_TOKEN_FILE', env, problems),
    },
  }
}

function variable(name: string, env: Environment, problems: Problems): string {
  const value = env[name] ?? ''
  if (value === '') problems.add(name, 'missing in the environment; --events signs in with workload identity')
  return value
}

/** A token for queues goes to this host. */
function parseQueueUrl(text: string, problems: Problems): URL | undefined {
  if (text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isQueue =
    url?.protocol === 'https:' &&
    url.username === '' &&
    url.search === '' &&
    /^[a-z0-9]{3,24}(\.z\d{1,3})?\.queue\.[a-z0-9.-]{3,200}(:\d{1,5})?$/.test(url.host) &&
    /^\/[a-z0-9](-?[a-z0-9]){2,62}$/.test(url.pathname)
  if (isQueue) return url
  problems.unexpected('--events-queue', text, 'https://ACCOUNT.queue.core.windows.net/QUEUE')
  return undefined
}

const shortestIntervalMs = 5000

function parseWatchedVault(text: string, problems: Problems): WatchedVault | undefined {
  const [name = '', interval = '', ...rest] = text.split('=')
  const intervalMs = parseDuration(interval)
  if (
    /^[-A-Za-z0-9]{3,24}$/.test(name) &&
    rest.length === 0 &&
    intervalMs !== undefined &&
    intervalMs >= shortestIntervalMs
  )
    return { name, intervalMs }
  problems.unexpected(
    '--events-watch-vaults',
    text,
    'NAME=INTERVAL with an interval of 5s or more, for example shop=15s',
  )
  return undefined
}

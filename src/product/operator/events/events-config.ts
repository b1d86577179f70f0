import { findCloud } from '#azure/identity'
import { eventsConfirmationLimits } from '#kubernetes/client'
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
  'events-namespace-topic': {
    type: 'string',
    default: '',
    help: 'Event subscription of the topic of an Event Grid namespace, in place of a storage queue: https://NAME.REGION-1.eventgrid.azure.net/topics/TOPIC/eventsubscriptions/SUBSCRIPTION',
  },
  'events-watch-vaults': {
    type: 'strings',
    default: [],
    help: 'Vaults to list at an interval for changes (metadata only), each as NAME=INTERVAL, for example shop=15s',
  },
  'events-vaults': {
    type: 'strings',
    default: [],
    help: 'Vaults whose events all come to --events-queue or --events-namespace-topic, for --events-quiet-poll-interval',
  },
  'events-quiet-poll-interval': {
    type: 'duration',
    default: 0,
    min: 0,
    max: eventsConfirmationLimits.intervalMs.value,
    help: 'How often drivers poll volumes whose vaults all are in --events-vaults or --events-watch-vaults, while these are heard of; 0s for their own interval',
  },
  'events-sign-ins-per-second': {
    type: 'integer',
    default: 15,
    min: 0,
    max: 10_000,
    help: 'Nodes that may sign in for a changed class in a second: Entra publishes no limit, and 20 of an application are assumed; 0 for no limit',
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
  /** Of the event subscription. */
  namespaceTopic: URL | undefined
  vaults: readonly WatchedVault[]
  /** Names of the vaults whose events all come to the queue or the topic. */
  queueVaults: readonly string[]
  /** Of polling while events are confirmed, in milliseconds; undefined: drivers poll at their own intervals. */
  quietIntervalMs: number | undefined
  /** Of the nodes of a class that has changed; 0: no limit. */
  signInsPerSecond: number
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
  checkTransports(flags, problems)
  if (findCloud(flags['events-cloud']) === undefined)
    problems.unexpected(
      '--events-cloud',
      flags['events-cloud'],
      'a cloud such as AzurePublicCloud or AzureUSGovernmentCloud',
    )
  return {
    queue: parseQueueUrl(flags['events-queue'], problems),
    namespaceTopic: parseTopicUrl(flags['events-namespace-topic'], problems),
    vaults: flags['events-watch-vaults'].flatMap((text) => parseWatchedVault(text, problems) ?? []),
    queueVaults: parseQueueVaults(flags, problems),
    quietIntervalMs: quietIntervalOf(flags, problems),
    signInsPerSecond: flags['events-sign-ins-per-second'],
    namespaces: flags['events-namespaces'],
    cloud: flags['events-cloud'],
    identity: {
      clientId: variable('AZURE_CLIENT_ID', env, problems),
      tenantId: variable('AZURE_TENANT_ID', env, problems),
      tokenFile: variable('AZURE_FEDERATED_TOKEN_FILE', env, problems),
    },
  }
}

function checkTransports(flags: FlagValues<typeof eventsFlags>, problems: Problems): void {
  const { 'events-queue': queue, 'events-namespace-topic': topic, 'events-watch-vaults': watched } = flags
  if (queue === '' && topic === '' && watched.length === 0)
    problems.add(
      '--events',
      'needs --events-queue, --events-namespace-topic or --events-watch-vaults: where events come from',
    )
  if (queue !== '' && topic !== '')
    problems.add('--events-namespace-topic', 'cannot be used with --events-queue: events come by one of them')
}

function parseQueueVaults(flags: FlagValues<typeof eventsFlags>, problems: Problems): string[] {
  const names = flags['events-vaults'].map((name) => name.toLowerCase())
  if (names.length > 0 && flags['events-queue'] === '' && flags['events-namespace-topic'] === '')
    problems.add(
      '--events-vaults',
      'needs --events-queue or --events-namespace-topic: where the events of these vaults come to',
    )
  for (const name of names)
    if (!namePattern.test(name)) problems.unexpected('--events-vaults', name, 'names of vaults, for example shop')
  return names.filter((name) => namePattern.test(name))
}

/** Where nothing can be confirmed, it would have no effect. */
function quietIntervalOf(flags: FlagValues<typeof eventsFlags>, problems: Problems): number | undefined {
  const ms = flags['events-quiet-poll-interval']
  if (ms === 0) return undefined
  if (flags['events-vaults'].length === 0 && flags['events-watch-vaults'].length === 0)
    problems.add(
      '--events-quiet-poll-interval',
      'needs --events-vaults or --events-watch-vaults: the vaults of which every change is heard of',
    )
  return ms
}

const namePattern = /^[-A-Za-z0-9]{3,24}$/

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

/** A token for Event Grid namespaces goes to this host. */
function parseTopicUrl(text: string, problems: Problems): URL | undefined {
  if (text === '') return undefined
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isSubscription =
    url?.protocol === 'https:' &&
    url.username === '' &&
    url.search === '' &&
    url.hash === '' &&
    /^[a-z0-9-]{3,50}\.[a-z0-9-]{1,63}\.eventgrid\.[a-z0-9.-]{3,200}(:\d{1,5})?$/.test(url.host) &&
    /^\/topics\/[a-zA-Z0-9-]{3,50}\/eventsubscriptions\/[a-zA-Z0-9-]{3,50}$/i.test(url.pathname)
  if (isSubscription) return url
  problems.unexpected(
    '--events-namespace-topic',
    text,
    'https://NAME.REGION-1.eventgrid.azure.net/topics/TOPIC/eventsubscriptions/SUBSCRIPTION',
  )
  return undefined
}

const shortestIntervalMs = 5000

function parseWatchedVault(text: string, problems: Problems): WatchedVault | undefined {
  const [name = '', interval = '', ...rest] = text.split('=')
  const intervalMs = parseDuration(interval)
  if (namePattern.test(name) && rest.length === 0 && intervalMs !== undefined && intervalMs >= shortestIntervalMs)
    return { name, intervalMs }
  problems.unexpected(
    '--events-watch-vaults',
    text,
    'NAME=INTERVAL with an interval of 5s or more, for example shop=15s',
  )
  return undefined
}

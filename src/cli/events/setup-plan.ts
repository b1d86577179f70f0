import { createHash } from 'node:crypto'
import type { BuiltInRole } from '#azure/rest'
import { CliError } from '#terminal'

/** Where Event Grid writes the events to: a queue of a storage account, or the topic of an Event Grid namespace. */
export type Destination = { kind: 'queue'; storageAccount: string } | TopicDestination

export interface TopicDestination {
  kind: 'topic'
  subscription: string
  resourceGroup: string
  namespace: string
  topic: string
}

/** What brings the events of vaults to one cluster. */
export interface SetupPlan {
  vaults: readonly string[]
  cluster: string
  resourceGroup: string
  destination: Destination
  /** Of the event subscriptions, and of the queue. */
  name: string
  /** Name of the operator's managed identity. */
  identity: string
  issuer: string
  /** Of the operator's service account. */
  subject: string
  /** Sets a secret in the first vault, and waits for its event. */
  probe: boolean
}

export interface SetupOptions {
  vault: readonly string[]
  cluster: string
  resourceGroup: string
  storageAccount?: string | undefined
  /** Resource id of the topic of an Event Grid namespace, in place of a queue. */
  namespaceTopic?: string | undefined
  /** Of the operator. */
  namespace: string
  probe?: boolean | undefined
}

/** The names of everything that is created. Throws `CliError` with each name that Azure would not take. */
export function planSetup(options: SetupOptions, issuer: string): SetupPlan {
  const { vault: vaults, cluster, resourceGroup, namespace, probe = false } = options
  const storageAccount = options.storageAccount ?? accountNameOf(cluster, resourceGroup)
  const topic = options.namespaceTopic === undefined ? undefined : parseTopicId(options.namespaceTopic)
  const problems = [
    ...topicProblems(options, topic),
    ...lengthProblems(options),
    ...vaults.flatMap((name) =>
      unlessMatches(
        '--vault',
        name,
        /^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$/,
        'the name of a vault, without its domain',
      ),
    ),
    ...unlessMatches(
      '--cluster',
      cluster,
      /^[a-z0-9](-?[a-z0-9]){0,49}$/,
      'lower-case letters, digits and single hyphens',
    ),
    ...unlessMatches('--resource-group', resourceGroup, /^[\w().-]{0,89}[\w()-]$/, 'the name of a resource group'),
    ...unlessMatches('--storage-account', storageAccount, /^[a-z0-9]{3,24}$/, '3 to 24 lower-case letters and digits'),
    ...unlessMatches('--namespace', namespace, /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'the name of a namespace'),
    ...unlessMatches(
      '--issuer',
      issuer,
      /^https:\/\/[\w.:/-]{1,400}$/,
      'the URL of the issuer of service account tokens',
    ),
  ]
  if (problems.length > 0)
    throw new CliError({ what: 'these options cannot be used', why: problems.join('\n'), code: 'usage' })
  return {
    vaults,
    cluster,
    resourceGroup,
    destination: topic ?? { kind: 'queue', storageAccount },
    name: `keymount-${cluster}`,
    identity: `keymount-operator-${cluster}`,
    issuer,
    subject: `system:serviceaccount:${namespace}:keymount-operator`,
    probe,
  }
}

/** Names of storage accounts are unique in the world. */
function accountNameOf(cluster: string, resourceGroup: string): string {
  const digest = createHash('sha256').update(`${resourceGroup}/${cluster}`).digest('hex').slice(0, 8)
  return `keymount${cluster.replace(/[^a-z0-9]/g, '').slice(0, 8)}${digest}`
}

function unlessMatches(option: string, text: string, pattern: RegExp, expected: string): string[] {
  return pattern.test(text) ? [] : [`${option}: found ${JSON.stringify(text)}, expected ${expected}`]
}

const topicIdExample =
  '/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.EventGrid/namespaces/NAME/topics/TOPIC'

/** Undefined for another text. */
function parseTopicId(text: string): TopicDestination | undefined {
  const { groups } =
    /^\/subscriptions\/(?<subscription>[\da-f-]{36})\/resourceGroups\/(?<resourceGroup>[\w().-]{0,89}[\w()-])\/providers\/Microsoft\.EventGrid\/namespaces\/(?<namespace>[a-z\d-]{3,50})\/topics\/(?<topic>[a-z\d-]{3,50})$/i.exec(
      text,
    ) ?? {}
  if (groups === undefined) return undefined
  const { subscription = '', resourceGroup = '', namespace = '', topic = '' } = groups
  return { kind: 'topic', subscription, resourceGroup, namespace, topic }
}

/** What Azure takes as the name of a queue, and of an event subscription of a namespace, without `keymount-`. */
const longestCluster = { queue: 63 - 'keymount-'.length, topic: 50 - 'keymount-'.length }

function lengthProblems({ cluster, namespaceTopic }: SetupOptions): string[] {
  const longest = longestCluster[namespaceTopic === undefined ? 'queue' : 'topic']
  if (cluster.length <= longest) return []
  return [`--cluster: found ${cluster.length} characters, expected at most ${longest}`]
}

function topicProblems(options: SetupOptions, topic: TopicDestination | undefined): string[] {
  const { namespaceTopic, storageAccount, probe = false } = options
  if (namespaceTopic === undefined) return []
  const problems: string[] = []
  if (topic === undefined)
    problems.push(`--namespace-topic: found ${JSON.stringify(namespaceTopic)}, expected ${topicIdExample}`)
  if (storageAccount !== undefined)
    problems.push('--storage-account: cannot be used with --namespace-topic: events come by one of them')
  if (probe)
    problems.push(
      '--probe: cannot be used with --namespace-topic: a namespace shows an event only to the reader that locks it',
    )
  return problems
}

export function namespaceId({ subscription, resourceGroup, namespace }: TopicDestination): string {
  return `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/Microsoft.EventGrid/namespaces/${namespace}`
}

/** Of Resource Manager's interface of Event Grid. */
export const eventGridVersion = '2022-06-15'
/** The first one, but previews, that has namespaces and delivery to their topics. */
export const namespaceVersion = '2025-02-15'

/** What the identity of a vault's topic needs for the delivery, and the operator to receive. */
export const roles = {
  queue: { sender: 'Storage Queue Data Message Sender', receiver: 'Storage Queue Data Message Processor' },
  topic: { sender: 'EventGrid Data Sender', receiver: 'EventGrid Data Receiver' },
} as const satisfies Record<Destination['kind'], { sender: BuiltInRole; receiver: BuiltInRole }>

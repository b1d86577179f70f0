import { createHash } from 'node:crypto'
import type { BuiltInRole } from '#azure/rest'
import { CliError } from '#terminal'

/** What brings the events of vaults to one cluster. */
export interface SetupPlan {
  vaults: readonly string[]
  cluster: string
  resourceGroup: string
  storageAccount: string
  queue: string
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
  namespace: string
  probe?: boolean | undefined
}

/** The names of everything that is created. Throws `CliError` with each name that Azure would not take. */
export function planSetup(options: SetupOptions, issuer: string): SetupPlan {
  const { vault: vaults, cluster, resourceGroup, namespace, probe = false } = options
  const storageAccount = options.storageAccount ?? accountNameOf(cluster, resourceGroup)
  const problems = [
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
    ...unlessMatches('--resource-group', resourceGroup, /^[\w().-]{1,89}[\w()-]$/, 'the name of a resource group'),
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
    storageAccount,
    queue: `keymount-${cluster}`,
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

/** Of Resource Manager's interface of Event Grid. */
export const eventGridVersion = '2022-06-15'
/** How long a message waits for the operator. */
export const messageSeconds = 86_400
export const senderRole = 'Storage Queue Data Message Sender' satisfies BuiltInRole
export const processorRole = 'Storage Queue Data Message Processor' satisfies BuiltInRole

import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { AzureTokens } from '#azure/rest'
import { errorCode, SecretValue } from '#lib'
import { CliError, type CliWorld, countOf } from '#terminal'

/** The account that `az login` has signed in. */
export interface AzAccount {
  tenantId: string
  subscriptionId: string
}

/** Azure's own command line, whose sign-in is used. Every call rejects with a {@link CliError} that includes the fix. */
export interface AzCli extends AzureTokens {
  account(): Promise<AzAccount>
}

/** @param subscriptionId tokens are for the tenant of this subscription. Default: the one that az uses. */
export function createAzCli(world: CliWorld, subscriptionId: string | undefined): AzCli {
  const tokens = new Map<string, Promise<SecretValue>>()
  const inSubscription = subscriptionId === undefined ? [] : ['--subscription', subscriptionId]

  async function requestToken(resource: string): Promise<SecretValue> {
    const words = ['account', 'get-access-token', '--resource', resource, ...inSubscription]
    const { accessToken } = await askAz<{ accessToken: string }>(world, words)
    return SecretValue.of(accessToken)
  }

  return {
    // A run is shorter than the lifetime of any token.
    get(resource) {
      const requested = tokens.get(resource)
      if (requested !== undefined) return requested
      const token = requestToken(resource)
      tokens.set(resource, token)
      return token
    },
    async account() {
      const { id, tenantId } = await askAz<{ id: string; tenantId: string }>(world, [
        'account',
        'show',
        ...inSubscription,
      ])
      return { subscriptionId: id, tenantId }
    },
  }
}

async function askAz<T>(world: CliWorld, words: readonly string[]): Promise<T> {
  const answer = await runAz(world, words)
  try {
    return JSON.parse(answer) as T
  } catch {
    // The parser's message would quote the answer, which may contain a token.
    throw new CliError({
      what: `az ${words.slice(0, 2).join(' ')} printed ${countOf(answer.length, 'character')} instead of JSON`,
    })
  }
}

function runAz({ env, signal }: CliWorld, words: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile('az', [...words, '--output', 'json'], { env, signal, timeout: 60_000 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(azFailure(words, error, stderr))
    })
  })
}

function azFailure(words: readonly string[], cause: Error, stderr: string): CliError {
  if (errorCode(cause) === 'ENOENT') {
    return new CliError({
      what: 'The az command line is not installed',
      why: 'its sign-in is used by --auth-method cli, the default',
      fix: [
        'install it: https://learn.microsoft.com/cli/azure/install-azure-cli',
        'or sign in another way: --auth-method client_secret, client_certificate, workload_identity or managed_identity',
      ],
      cause,
    })
  }
  return new CliError({
    what: `az ${words.slice(0, 2).join(' ')} failed`,
    why: stderr.trim().split('\n').at(-1) ?? cause.message,
    fix: ['sign in: az login', 'or sign in another way: --auth-method client_secret, client_certificate, …'],
    cause,
  })
}

/**
 * The subscription of `az account set`, without running az: in the section of `clouds.config` that `config` names.
 * https://learn.microsoft.com/cli/azure/azure-cli-configuration
 */
export function subscriptionOfAzConfig({ env, userHome }: Pick<CliWorld, 'env' | 'userHome'>): string | undefined {
  const directory = env.AZURE_CONFIG_DIR || join(userHome, '.azure')
  const cloud = valueIn(readText(join(directory, 'config')), 'cloud', 'name') ?? 'AzureCloud'
  return valueIn(readText(join(directory, 'clouds.config')), cloud, 'subscription')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** One value of an INI file, as Python's configparser writes it. */
function valueIn(text: string, section: string, key: string): string | undefined {
  let current = ''
  for (const line of text.split(/\r?\n/)) {
    const header = /^\[(.+)\]\s*$/.exec(line)
    if (header !== null) current = header[1] ?? ''
    const entry = /^(\w+)\s*[=:]\s*(.*)$/.exec(line)
    if (current === section && entry?.[1] === key) return entry[2]?.trim()
  }
  return undefined
}

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LocalAzure } from '#lab/azure'
import { writeCaBundle } from '../azure/ca-bundle.ts'
import type { AzureCredentials } from '../azure/lab-azure.ts'
import type { Environment } from '../original-environment.ts'
import { vaultUrlOf } from './vault-with-secrets.ts'

export interface ClientVariablesOptions {
  azure: Pick<LocalAzure, 'proxyUrl' | 'caFile'>
  credentials: AzureCredentials
  /** Directory in which az is signed in. */
  azureCli: string
  /** The first vault, which most programs need only one of. */
  vault: string | undefined
  /** Where the bundle of CA certificates is written. */
  bundle: string
  /** The user's environment, whose own CAs and exceptions from the proxy stay valid. */
  env: Environment
}

/** Variables with CA certificates for clients that would not trust the lab otherwise: each replaces the system's list. */
export const bundleVariables = [
  'SSL_CERT_FILE',
  'REQUESTS_CA_BUNDLE',
  'CURL_CA_BUNDLE',
  'PIP_CERT',
  'GIT_SSL_CAINFO',
  'NODE_EXTRA_CA_CERTS',
] as const

/**
 * The variables that point the Azure SDKs, az and curl at a local Azure, signed in as its administrator. Undefined removes a
 * variable of the user's that would point elsewhere. Lower-case proxy variables are set too, because curl and Go prefer them.
 */
export function clientVariables(options: ClientVariablesOptions): Record<string, string | undefined> {
  const { azure, credentials, azureCli, vault, bundle, env } = options
  writeCaBundle(bundle, [readFileSync(azure.caFile, 'utf8'), ...userCertificates(env)].join('\n'))
  const exceptions = exceptionsFromProxy(env)
  return {
    HTTPS_PROXY: azure.proxyUrl,
    https_proxy: azure.proxyUrl,
    NO_PROXY: exceptions,
    no_proxy: exceptions,
    ...Object.fromEntries(bundleVariables.map((name) => [name, bundle])),
    ...administratorVariables(credentials),
    AZURE_CONFIG_DIR: azureCli,
    KEY_VAULT_NAME: vault,
    VAULT_URL: vault === undefined ? undefined : vaultUrlOf(vault),
  }
}

/** Signs `DefaultAzureCredential` in as the administrator. Undefined removes a variable that would select another credential. */
export function administratorVariables(credentials: AzureCredentials) {
  return {
    AZURE_TENANT_ID: credentials.tenantId,
    AZURE_SUBSCRIPTION_ID: credentials.subscriptionId,
    AZURE_CLIENT_ID: credentials.clientId,
    AZURE_CLIENT_SECRET: credentials.clientSecret.revealText(),
    AZURE_AUTHORITY_HOST: undefined,
    AZURE_CLIENT_CERTIFICATE_PATH: undefined,
    AZURE_FEDERATED_TOKEN_FILE: undefined,
    AZURE_TOKEN_CREDENTIALS: undefined,
  }
}

/** The CAs that the user's own variables name, for hosts behind a proxy that inspects TLS. @param except a file of the lab's own */
export function userCertificates(env: Environment, except?: string): string[] {
  const files = new Set([
    ...bundleVariables.flatMap((name) => env[name] || []),
    ...filesOfDirectories(env.SSL_CERT_DIR),
  ])
  if (except !== undefined) files.delete(except)
  return [...files].flatMap((file) => {
    try {
      return [readFileSync(file, 'utf8')]
    } catch {
      // A client that needs the file reports it better.
      return []
    }
  })
}

/** Files of one directory that are read, however many it has. */
const maxFiles = 500

/**
 * The certificates in the directories of SSL_CERT_DIR: clients whose bundle variable is set do not look there. The system's own
 * directory holds what the bundle has already.
 */
function filesOfDirectories(text = ''): string[] {
  const directories = text.split(':').filter((each) => each !== '' && each !== '/etc/ssl/certs')
  return directories.flatMap((directory) => {
    try {
      const names = readdirSync(directory).filter((name) => /\.(pem|crt|cer)$/.test(name))
      return names.slice(0, maxFiles).map((name) => join(directory, name))
    } catch {
      return []
    }
  })
}

/** Hosts of each kind that the local Azure serves: an exception that covers one would bypass it. */
const servedHosts = [
  'login.microsoftonline.com',
  'management.azure.com',
  'graph.microsoft.com',
  'name.vault.azure.net',
  'name.queue.core.windows.net',
  'name.westeurope-1.eventgrid.azure.net',
] as const

/** `NO_PROXY` with the user's own exceptions, except those that cover hosts of the lab. */
export function exceptionsFromProxy(env: Environment, more: readonly string[] = []): string {
  const entries = (env.no_proxy || env.NO_PROXY || '').split(',').map((entry) => entry.trim())
  const kept = entries.filter(
    (entry) => entry !== '' && entry !== '*' && !servedHosts.some((host) => covers(entry, host)),
  )
  return [...new Set(['127.0.0.1', 'localhost', ...more, ...kept])].join(',')
}

function covers(entry: string, host: string): boolean {
  const name = entry.toLowerCase().replace(/^\*?\./, '')
  return host === name || host.endsWith(`.${name}`)
}

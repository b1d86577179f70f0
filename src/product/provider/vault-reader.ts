import type { ObjectType } from '#azure/class'
import { type AccessToken, type Cloud, type Credential, IdentityError, type TokenSource } from '#azure/identity'
import {
  type Certificate,
  type Collection,
  type Key,
  type ObjectVersionInfo,
  type Secret,
  type Vault,
  type VaultAuth,
  type VaultClient,
  VaultError,
} from '#azure/keyvault'
import type { SecretValue } from '#lib'
import type { ReadCache } from './read-cache.ts'

/** Reads of one identity in one cloud. */
export interface VaultReader {
  secret(vault: Vault, name: string, version: string): Promise<Secret>
  key(vault: Vault, name: string, version: string): Promise<Key>
  certificate(vault: Vault, name: string, version: string): Promise<Certificate>
  versions(vault: Vault, type: ObjectType, name: string): Promise<readonly ObjectVersionInfo[]>
}

export interface VaultReaderOptions {
  client: VaultClient
  tokens: TokenSource
  cache: ReadCache
  credential: Credential
  /** Tells identities apart in caches; see `createIdentityKeys`. */
  identityKey: string
  cloud: Cloud
  /** Whether an answer from before an outage may stand in. */
  allowStale: boolean
  /** Called after each request that really went to a vault. */
  onRead?: (type: ObjectType, name: string, error: unknown, durationMs: number) => void
}

const collections: Record<ObjectType, Collection> = { secret: 'secrets', key: 'keys', cert: 'certificates' }

export function createVaultReader(options: VaultReaderOptions): VaultReader {
  const { client, cache, cloud, identityKey, allowStale, onRead } = options
  const auth = createAuth(options)

  function cached<T>(
    what: readonly string[],
    { type, name }: { type: ObjectType; name: string },
    read: () => Promise<T>,
  ) {
    const key = JSON.stringify([identityKey, cloud.name, cloud.authority, cloud.vaultResource, type, name, ...what])
    const timed = async () => {
      const started = performance.now()
      try {
        const value = await read()
        onRead?.(type, name, undefined, performance.now() - started)
        return value
      } catch (error) {
        onRead?.(type, name, error, performance.now() - started)
        throw error
      }
    }
    return cache.read(key, timed, { allowStale, isPassing })
  }

  return {
    secret: (vault, name, version) =>
      cached([vault.origin, 'get', version], { type: 'secret', name }, () =>
        client.getSecret(vault, name, version, auth),
      ),
    key: (vault, name, version) =>
      cached([vault.origin, 'get', version], { type: 'key', name }, () => client.getKey(vault, name, version, auth)),
    certificate: (vault, name, version) =>
      cached([vault.origin, 'get', version], { type: 'cert', name }, () =>
        client.getCertificate(vault, name, version, auth),
      ),
    versions: (vault, type, name) =>
      cached([vault.origin, 'versions'], { type, name }, () =>
        client.listVersions(vault, collections[type], name, auth),
      ),
  }
}

function createAuth({ tokens, credential, identityKey, cloud }: VaultReaderOptions): VaultAuth {
  const request = { cloud, resource: cloud.vaultResource }
  const given = new Map<SecretValue, AccessToken>()
  return {
    resource: cloud.vaultResource,
    async token() {
      const token = await tokens.get(identityKey, credential, request)
      given.set(token.token, token)
      return token.token
    },
    refused(token) {
      const refused = given.get(token)
      if (refused !== undefined) tokens.forget(identityKey, request, refused)
    },
  }
}

function isPassing(error: unknown): boolean {
  return (error instanceof VaultError || error instanceof IdentityError) && error.retryable
}

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
import type { FailureKind, ReadCache } from './read-cache.ts'
import type { VaultTurns } from './vault-turns.ts'

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
  turns: VaultTurns
  credential: Credential
  /** Identifies the identity in caches; see `createIdentityKeys`. */
  identityKey: string
  /** Whose turn a request is: the pod's namespace. */
  owner: string
  cloud: Cloud
  /** Whether an answer from before an outage may be used. */
  allowStale: boolean
  /** Oldest time, by `clock.elapsed()`, at which a shared answer was asked for. */
  notOlderThan: number | undefined
  /** Called after each request that was sent to a vault. */
  onRead?: ((type: ObjectType, name: string, error: unknown, durationMs: number) => void) | undefined
}

const collections: Record<ObjectType, Collection> = { secret: 'secrets', key: 'keys', cert: 'certificates' }

export function createVaultReader(options: VaultReaderOptions): VaultReader {
  const { client } = options
  const auth = createAuth(options)
  return {
    secret: (vault, name, version) =>
      cached(
        options,
        { vault, type: 'secret', name, what: ['get', version] },
        {
          read: () => client.getSecret(vault, name, version, auth),
          sizeOf: ({ value }) => value.size,
        },
      ),
    key: (vault, name, version) =>
      cached(
        options,
        { vault, type: 'key', name, what: ['get', version] },
        {
          read: () => client.getKey(vault, name, version, auth),
          sizeOf: () => keyBytes,
        },
      ),
    certificate: (vault, name, version) =>
      cached(
        options,
        { vault, type: 'cert', name, what: ['get', version] },
        {
          read: () => client.getCertificate(vault, name, version, auth),
          sizeOf: ({ der }) => der.length,
        },
      ),
    versions: (vault, type, name) =>
      cached(
        options,
        { vault, type, name, what: ['versions'] },
        {
          read: () => client.listVersions(vault, collections[type], name, auth),
          sizeOf: (versions) => versions.length * versionBytes,
        },
      ),
  }
}

/** About what the numbers of a public key, and one version of a list, take. */
const keyBytes = 1024
const versionBytes = 100
/** About what the key of an answer and the entry around it take. */
const entryBytes = 1024

interface Question {
  vault: Vault
  type: ObjectType
  name: string
  what: readonly string[]
}

function cached<T>(
  { cache, cloud, identityKey, allowStale, notOlderThan, onRead }: VaultReaderOptions,
  { vault, type, name, what }: Question,
  { read, sizeOf }: { read: () => Promise<T>; sizeOf: (value: T) => number },
): Promise<T> {
  const where = [cloud.name, cloud.authority, cloud.vaultResource, vault.origin]
  const key = JSON.stringify([identityKey, ...where, type, name, ...what])
  const timed = async () => {
    const started = performance.now()
    let failure: unknown
    try {
      return await read()
    } catch (error) {
      failure = error
      throw error
    } finally {
      onRead?.(type, name, failure, performance.now() - started)
    }
  }
  return cache.read(key, timed, { allowStale, notOlderThan, kindOf, sizeOf: (value) => entryBytes + sizeOf(value) })
}

function createAuth({ tokens, credential, identityKey, cloud, owner, turns }: VaultReaderOptions): VaultAuth {
  const given = new Map<SecretValue, { token: AccessToken; resource: string }>()
  return {
    resource: cloud.vaultResource,
    async token(resource) {
      const token = await tokens.get(identityKey, credential, { cloud, resource, owner })
      given.set(token.token, { token, resource })
      return token.token
    },
    refused(secret) {
      const refused = given.get(secret)
      if (refused !== undefined) tokens.forget(identityKey, { cloud, resource: refused.resource }, refused.token)
    },
    inTurn: (origin, request) => turns.run(origin, owner, request),
  }
}

/** Throttling is not an outage: the vault could answer, and may have another answer now. */
function kindOf(error: unknown): FailureKind {
  if (!(error instanceof VaultError) && !(error instanceof IdentityError)) return 'busy'
  if (error.code === 'vault-throttled' || error.code === 'entra-throttled') return 'busy'
  return error.retryable ? 'outage' : 'refusal'
}

import type { ObjectType } from '#azure/class'
import { type AccessToken, type Cloud, type Credential, IdentityError, type TokenSource } from '#azure/identity'
import {
  bytesOfDetails,
  type Collection,
  type ObjectAttributes,
  type ObjectDetails,
  type ObjectVersionInfo,
  type Vault,
  type VaultAuth,
  type VaultCertificate,
  type VaultClient,
  VaultError,
  type VaultKey,
  type VaultSecret,
} from '#azure/keyvault'
import { noTracer, type SecretValue, type Tracer } from '#lib'
import { isOutage } from '#product/error-catalogue'
import type { KeptObject, LastGood } from './last-good.ts'
import type { ReadCache, ReadOutcome } from './read-cache.ts'
import type { VaultTurns } from './vault-turns.ts'

/** Reads of one identity in one cloud. */
export interface VaultReader {
  secret(vault: Vault, name: string, version: string): Promise<VaultSecret>
  key(vault: Vault, name: string, version: string): Promise<VaultKey>
  certificate(vault: Vault, name: string, version: string): Promise<VaultCertificate>
  versions(vault: Vault, type: ObjectType, name: string): Promise<readonly ObjectVersionInfo[]>
  /** All objects of a type, without their contents. @param onBytes called with what each page adds to memory; may throw */
  list(vault: Vault, type: ObjectType, onBytes: (bytes: number) => void): Promise<readonly ObjectDetails[]>
}

/** Which earlier answers a read may be answered by. */
export interface Freshness {
  /** Oldest time, by `clock.elapsed()`, at which a shared answer was asked for. Default: some seconds ago. */
  notOlderThan?: number | undefined
  /** Age of what this node holds for an outage and that may answer now, in milliseconds. Default 0: the vault is asked. */
  keptMs?: number | undefined
}

export interface VaultReaderOptions {
  client: VaultClient
  tokens: TokenSource
  cache: ReadCache
  lastGood: LastGood
  turns: VaultTurns
  /** Of reads that are not urgent; undefined for others. */
  tickTurns: VaultTurns | undefined
  credential: Credential
  /** Identifies the identity in caches; see `createIdentityKeys`. */
  identityKey: string
  /** Whose turn a request is: the pod's namespace. */
  owner: string
  cloud: Cloud
  /** How long answers are kept for an outage, in milliseconds; 0 for not at all. */
  keepMs: number
  freshness: (vault: Vault, name: string) => Freshness
  onOutcome?: ((outcome: ReadOutcome) => void) | undefined
  /** Default: none. */
  tracer?: Tracer | undefined
  /** Called after each request that was sent to a vault. */
  onRead?: ((type: ObjectType, name: string, error: unknown, durationMs: number) => void) | undefined
}

export const collections: Record<ObjectType, Collection> = { secret: 'secrets', key: 'keys', cert: 'certificates' }

/** Asks the vault, or shares what was just read. */
export function createVaultReader(options: VaultReaderOptions): VaultReader {
  const auth = createAuth(options)
  return readerOf((question) => askVault(options, auth, question))
}

export interface MemoryReaderOptions extends Pick<VaultReaderOptions, 'lastGood' | 'cloud' | 'identityKey'> {
  maxAgeMs: number
  /** Called with the time, by `clock.elapsed()`, of each answer. */
  onFound(asked: number): void
}

/** Answers from what this node has read for the same identity, and rejects with {@link NotKept} otherwise. */
export function createMemoryReader({ lastGood, maxAgeMs, onFound, ...who }: MemoryReaderOptions): VaultReader {
  return readerOf(async <T>({ ref, what }: Question<T>) => {
    const kept = lastGood.find(keptObject(who, ref), what, maxAgeMs)
    if (kept === undefined) throw new NotKept()
    onFound(kept.asked)
    return kept.value as T
  })
}

/** This node holds no such answer that is young enough. */
export class NotKept extends Error {}

interface Ref {
  vault: Vault
  type: ObjectType
  /** Empty for the list of all. */
  name: string
}

interface Question<T> {
  ref: Ref
  what: string
  read(client: VaultClient, auth: VaultAuth): Promise<T>
  sizeOf(value: T): number
  attributesOf(value: T): ObjectAttributes
}

function readerOf(ask: <T>(question: Question<T>) => Promise<T>): VaultReader {
  const askForOne = <T extends { attributes: ObjectAttributes }>(
    ref: Ref,
    version: string,
    { read, sizeOf }: Pick<Question<T>, 'read' | 'sizeOf'>,
  ) => ask<T>({ ref, what: `get ${version}`, read, sizeOf, attributesOf: ({ attributes }) => attributes })
  return {
    secret: (vault, name, version) =>
      askForOne<VaultSecret>({ vault, type: 'secret', name }, version, {
        read: (client, auth) => client.getSecret(vault, name, version, auth),
        sizeOf: ({ value }) => value.size,
      }),
    key: (vault, name, version) =>
      askForOne<VaultKey>({ vault, type: 'key', name }, version, {
        read: (client, auth) => client.getKey(vault, name, version, auth),
        sizeOf: () => keyBytes,
      }),
    certificate: (vault, name, version) =>
      askForOne<VaultCertificate>({ vault, type: 'cert', name }, version, {
        read: (client, auth) => client.getCertificate(vault, name, version, auth),
        sizeOf: ({ der }) => der.length,
      }),
    versions: (vault, type, name) =>
      ask<readonly ObjectVersionInfo[]>({
        ref: { vault, type, name },
        what: 'versions',
        read: (client, auth) => client.listVersions(vault, collections[type], name, auth),
        sizeOf: (versions) => versions.length * versionBytes,
        attributesOf: () => ({}),
      }),
    list: (vault, type, onBytes) =>
      ask<readonly ObjectDetails[]>({
        ref: { vault, type, name: '' },
        what: 'list',
        read: (client, auth) => client.listDetails(vault, collections[type], auth, onBytes),
        sizeOf: (listed) => listed.reduce((sum, object) => sum + bytesOfDetails(object), 0),
        attributesOf: () => ({}),
      }),
  }
}

/** About what the numbers of a public key, and one version of a list, take. */
const keyBytes = 1024
const versionBytes = 100
/** About what the key of an answer and the entry around it take. */
const entryBytes = 1024

async function askVault<T>(options: VaultReaderOptions, auth: VaultAuth, question: Question<T>): Promise<T> {
  const { cache, lastGood, client, owner, keepMs, onOutcome } = options
  const { ref, what, sizeOf, attributesOf } = question
  const object = keptObject(options, ref)
  const { notOlderThan, keptMs = 0 } = options.freshness(ref.vault, ref.name)
  const recent = keptMs > 0 ? lastGood.find(object, what, keptMs) : undefined
  if (recent !== undefined) {
    onOutcome?.('shared')
    return recent.value as T
  }
  const read = () => timed(options, ref, () => question.read(client, auth))
  const size = (value: T) => entryBytes + sizeOf(value)
  try {
    const key = JSON.stringify([object.identity, object.name, what])
    // The turn is taken before the read is shared: an urgent mount must not join one that waits.
    const shared = () => cache.read(key, read, { notOlderThan, sizeOf: size })
    const { tickTurns } = options
    const { value, outcome, asked } = await (tickTurns === undefined
      ? shared()
      : tickTurns.run(ref.vault.origin, owner, shared))
    onOutcome?.(outcome)
    const { exp } = attributesOf(value)
    const expiresAt = exp === undefined ? undefined : exp * 1000
    const isOwnRead = outcome === 'read'
    lastGood.keep({ value, asked }, { ...object, owner, what, bytes: size(value), forMs: keepMs, expiresAt, isOwnRead })
    return value
  } catch (error) {
    forgetRefused(lastGood, object, error)
    throw error
  }
}

/** A refusal drops the kept answers: of the object where the vault refuses it, of all objects where Entra refuses the identity. */
function forgetRefused(lastGood: LastGood, object: KeptObject, error: unknown): void {
  if (error instanceof VaultError && !isOutage(error.code)) lastGood.forget(object)
  if (error instanceof IdentityError && error.code.startsWith('entra-') && !isOutage(error.code))
    lastGood.forgetIdentity(object.identity)
}

function keptObject({ cloud, identityKey }: Pick<VaultReaderOptions, 'cloud' | 'identityKey'>, ref: Ref): KeptObject {
  const { name: cloudName, authority, vaultResource } = cloud
  const name = JSON.stringify([cloudName, authority, vaultResource, ref.vault.origin, ref.type, ref.name])
  return { identity: identityKey, name }
}

async function timed<T>(
  { onRead, tracer = noTracer }: VaultReaderOptions,
  { vault, type, name }: Ref,
  read: () => Promise<T>,
): Promise<T> {
  const started = performance.now()
  let failure: unknown
  try {
    const attributes = { vault: new URL(vault.origin).host, type }
    return await tracer.span({ name: 'read', kind: 'client', attributes }, read)
  } catch (error) {
    failure = error
    throw error
  } finally {
    onRead?.(type, name, failure, performance.now() - started)
  }
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

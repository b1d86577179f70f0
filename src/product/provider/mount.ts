import { collidingPaths, createObjectsParser, type ObjectSpec, objectLabel, type ParseObjects } from '#azure/class'
import { type Cloud, type Credential, describeCredential, type IdentityKeys, type TokenSource } from '#azure/identity'
import { type ObjectAttributes, type Vault, type VaultClient, vaultAddress } from '#azure/keyvault'
import {
  changedAttribute,
  emptyVolume,
  intervalAttribute,
  intervalIn,
  type MountRequest,
  type MountResponse,
  maxAgeAttribute,
  vaultsText,
} from '#kubernetes/provider-protocol'
import { type Clock, formatProblem, type Log, Problems, type Tracer } from '#lib'
import { createFairSlots, type FairSlots } from '#lib/async'
import type { TaskRunner } from '#lib/worker'
import type { ByteBudget, CountedBytes, MountBytes } from './byte-budget.ts'
import { parseChanged } from './changed-objects.ts'
import type { LastGood } from './last-good.ts'
import { makeTemplateFiles } from './make-template-files.ts'
import { checkManagedIdentity, type ManagedIdentityPolicy } from './managed-identities.ts'
import { MountError, parameterError } from './mount-error.ts'
import type { MountSpec } from './mount-spec.ts'
import { parseMount } from './parse-mount.ts'
import { type DecodedRequest, decodeMountRequest } from './parse-mount-request.ts'
import { type PrepareConnections, prepareVault } from './prepare-vault.ts'
import { providerLimits } from './provider-limits.ts'
import type { ProviderMetrics } from './provider-metrics.ts'
import type { ReadCache } from './read-cache.ts'
import { readInOrder } from './read-in-order.ts'
import { type ObjectFile, type ReadObjectOptions, readObject } from './read-object.ts'
import { errorCodeOf, readObjects } from './read-objects.ts'
import { type CloudDefaults, resolveCloud } from './resolve-cloud.ts'
import { type CredentialDefaults, resolveCredential } from './resolve-credential.ts'
import { selectObjects } from './select-objects.ts'
import {
  createMemoryReader,
  createVaultReader,
  type Freshness,
  type VaultReader,
  type VaultReaderOptions,
} from './vault-reader.ts'
import type { VaultTurns } from './vault-turns.ts'

/** How to reach the vaults of a cloud, or of the local Azure. */
export interface VaultAccess {
  client: VaultClient
  tokens: TokenSource
  tracer?: Tracer | undefined
  prepare?: PrepareConnections | undefined
}

export interface MountOptions {
  cloud: CloudDefaults
  credential: CredentialDefaults
  managedIdentities: ManagedIdentityPolicy
  access: VaultAccess
  /** The local Azure for classes with `useEmulator`; undefined where none is configured. */
  emulator: { access: VaultAccess; cloud: Cloud } | undefined
  identityKeys: IdentityKeys
  cache: ReadCache
  lastGood: LastGood
  /** How old a value may be that starts a pod in an outage, in milliseconds: of classes without serveStaleFor, and at most. */
  stale: { defaultMs: number; maxMs: number }
  turns: VaultTurns
  tickTurns: VaultTurns
  budget: ByteBudget
  tasks: TaskRunner
  constructPemChain: boolean
  separateFiles: boolean
  metrics: ProviderMetrics
  log: Log
  clock: Clock
}

export interface MountAnswer {
  response: MountResponse
  /**
   * When the oldest of its values was read that did not come from its own vault just now, but from memory or from the fallback
   * vault, in milliseconds since the epoch; undefined for none.
   */
  staleSince: number | undefined
  /** Why not, with the code of the error; empty for fresh values. */
  staleReason: string
  /** Hosts of the vaults of its objects, as the driver reads them. */
  vaults: string
}

export type Mount = (request: MountRequest) => Promise<MountAnswer>

/** The Mount call: parameters → identity → objects, all at once → files. Throws {@link MountError}. */
export function createMount(options: MountOptions): Mount {
  const { mounts, mountsOfNamespace } = providerLimits
  const slots = createFairSlots(mounts.value, mountsOfNamespace.value)
  const mounting: Mounting = { ...options, parseObjects: createObjectsParser(), slots }
  return (request) => mountVolume(mounting, request)
}

interface Mounting extends MountOptions {
  parseObjects: ParseObjects
  slots: FairSlots
}

async function mountVolume(mounting: Mounting, request: MountRequest): Promise<MountAnswer> {
  const decoded = decodeMountRequest(request)
  const arrived = mounting.clock.elapsed()
  const namespace = namespaceOf(decoded)
  const release = takeSlot(mounting, namespace)
  const bytes = mounting.budget.open(namespace)
  try {
    const volume = await resolveVolume(mounting, decoded)
    const isNew = request.currentObjectVersion.length === 0
    const freshness = freshnessOf(mounting, decoded, { volume, arrived })
    const isUrgent = isNew || wasAskedFor(decoded)
    const intervalMs = longestIntervalMs(decoded, volume)
    const { files, ...stale } = await readFiles(mounting, volume, { bytes, isNew, isUrgent, freshness, intervalMs })
    return { response: toResponse(files, volume.spec), ...stale, vaults: vaultsText(vaultHosts(volume)) }
  } catch (error) {
    throw reported(mounting, decoded, error)
  } finally {
    bytes.release()
    release()
  }
}

/** A driver names the oldest answer that it takes where a user has asked for a rotation. */
function oldestShared({ clock }: Mounting, { attributes }: DecodedRequest): number | undefined {
  const text = attributes.get(maxAgeAttribute) ?? ''
  const maxAgeMs = Number(text)
  return text !== '' && maxAgeMs >= 0 ? clock.elapsed() - maxAgeMs : undefined
}

/** Interval of volumes whose class names none, about: the driver's default. */
const usualIntervalMs = 2 * 60_000

/**
 * What a request may be answered by. One that names what has changed gets that from the vault, and the rest from what this node has
 * read within the interval of the volume, where it holds it.
 */
function freshnessOf(
  mounting: Mounting,
  decoded: DecodedRequest,
  { volume, arrived }: { volume: Volume; arrived: number },
): VaultReaderOptions['freshness'] {
  const notOlderThan = oldestShared(mounting, decoded)
  const isChanged = parseChanged(decoded.attributes.get(changedAttribute))
  if (isChanged === undefined) return () => ({ notOlderThan })
  const changed: Freshness = { notOlderThan: notOlderThan ?? arrived }
  const rest: Freshness = { keptMs: Math.min(volume.spec.values.syncInterval ?? usualIntervalMs, usualIntervalMs) }
  return (vault, name) => (isChanged(vault, name) ? changed : rest)
}

/** Until the volume is read again by itself, as far as the request names it. */
function longestIntervalMs({ attributes }: DecodedRequest, { spec }: Volume): number {
  return Math.max(intervalIn(attributes.get(intervalAttribute)), spec.values.syncInterval ?? 0)
}

/** A driver describes a rotation that a user or an event asked for; a tick has only the versions of the volume. */
function wasAskedFor({ attributes }: DecodedRequest): boolean {
  return attributes.has(maxAgeAttribute) || attributes.has(changedAttribute)
}

function namespaceOf({ attributes }: DecodedRequest): string {
  return attributes.get('csi.storage.k8s.io/pod.namespace') ?? ''
}

function takeSlot({ slots }: Mounting, namespace: string): () => void {
  const release = slots.take(namespace)
  if (release !== undefined) return release
  const text = `as many mounts are in progress as the provider takes at once, of all or of namespace "${namespace}"; try again`
  throw new MountError('provider-busy', `failed to mount objects, error: [provider-busy] ${text}`, { retryable: true })
}

/** A volume whose class is understood and whose identity is decided. */
interface Volume {
  spec: MountSpec
  access: VaultAccess
  cloud: Cloud
  credential: Credential
}

async function resolveVolume(mounting: Mounting, decoded: DecodedRequest): Promise<Volume> {
  const { managedIdentities, log } = mounting
  const problems = new Problems()
  const spec = parseMount(decoded, problems, mounting.parseObjects)
  const { access, cloud } = await resolveAccess(mounting, spec, problems)
  const result = await resolveCredential(spec, mounting.credential)
  if ('problems' in result) {
    const code = problems.count === 0 && result.unreadableAccount ? 'service-account-unreadable' : undefined
    for (const { path, message } of result.problems.list) problems.add(path, message)
    throw parameterError(problems, code)
  }
  if (problems.count > 0 || cloud === undefined) throw parameterError(problems)
  const { credential } = result
  checkManagedIdentity(credential, managedIdentities)
  if (credential.kind === 'managed' && managedIdentities === 'any') {
    const identity = describeCredential(credential)
    log.info(
      { pod: podName(spec), identity },
      'the class signs in as the node; --managed-identities=any lets every class',
    )
  }
  if (spec.objects.length === 0 && spec.selects.length === 0)
    log.warn({ pod: podName(spec) }, 'the class lists no objects; drivers refuse a volume without any')
  return { spec, access, cloud, credential }
}

async function resolveAccess(
  { access, emulator, cloud }: Mounting,
  { values }: MountSpec,
  problems: Problems,
): Promise<{ access: VaultAccess; cloud: Cloud | undefined }> {
  if (values.useEmulator) {
    if (emulator !== undefined) return emulator
    const words =
      'useEmulator: this provider has no local Azure configured; remove useEmulator from the class, or start the provider with --emulator-proxy'
    throw new MountError('emulator-not-configured', words)
  }
  try {
    return { access, cloud: await resolveCloud(values, cloud) }
  } catch (error) {
    if (!(error instanceof MountError)) throw error
    // Alone it has its own code; with other problems it is one of them.
    if (problems.count === 0) throw error
    problems.add('', error.message)
    return { access, cloud: undefined }
  }
}

/** Also of objects that are optional and not there: a change brings them. */
function vaultHosts({ spec, cloud }: Volume): string[] {
  // The local Azure may have a vault of the same name.
  if (spec.values.useEmulator) return []
  return [...spec.objects, ...spec.selects].map(({ vaultName }) =>
    new URL(vaultAddress(vaultName ?? spec.values.keyvaultName, cloud.vaultSuffix).origin).host.toLowerCase(),
  )
}

interface ReadFilesOptions {
  bytes: MountBytes
  /** Whether the volume has no content yet. One that has keeps it by itself when we fail. */
  isNew: boolean
  /** Whether a pod or a user waits; the tick of a rotation is not urgent. */
  isUrgent: boolean
  freshness: VaultReaderOptions['freshness']
  /** Until the volume is read again. */
  intervalMs: number
}

async function readFiles(
  mounting: Mounting,
  volume: Volume,
  options: ReadFilesOptions,
): Promise<{ files: ObjectFile[] } & Omit<MountAnswer, 'response' | 'vaults'>> {
  const { log, clock } = mounting
  const { spec, credential } = volume
  const { bytes, intervalMs } = options
  const { readFrom, stale } = await openSources(mounting, volume, options)
  const identity = describeCredential(credential)
  const lists = bytes.part()
  const selected = await selectObjects(spec, {
    list: ({ type, vaultName, path }) =>
      readFrom({ vaultName, label: `${path}.select` }, (from) => (vault) => from.list(vault, type, lists.add)),
    vaultNameOf: ({ vaultName }) => vaultName ?? spec.values.keyvaultName,
    identity,
    clock,
  }).finally(() => lists.release())
  const sources = await readObjects([...spec.objects, ...selected], {
    identity,
    read: (object) =>
      readFrom(
        { vaultName: object.vaultName, label: objectLabel(object) },
        (from) => (vault) =>
          inPart(bytes, (part) =>
            readObject(object, {
              ...contentOptions(mounting, spec, { vaultName: vault.name, intervalMs }),
              ...{ reader: from, vault, bytes: part },
            }),
          ),
      ),
    onSkipped: (object, error) =>
      log.warn(
        { pod: podName(spec), object: objectLabel(object), code: errorCodeOf(error) },
        object.selected ? 'object went while the volume was read' : 'optional object skipped',
      ),
  })
  const { templates, selects, defaultMode } = spec
  const made = await makeTemplateFiles({ templates, selects, sources, defaultMode, bytes })
  return { files: [...sources.filter(({ onlyTemplates }) => !onlyTemplates), ...made], ...stale() }
}

/** Where what a volume needs comes from: its vault, the fallback vault, what this node holds. */
interface VolumeSources {
  /** @param what undefined for the vault of the class; `label` is for the log. */
  readFrom<T>(
    what: { vaultName: string | undefined; label: string },
    readBy: (from: VaultReader) => (vault: Vault) => Promise<T>,
  ): Promise<T>
  stale(): Pick<MountAnswer, 'staleSince' | 'staleReason'>
}

async function openSources(
  mounting: Mounting,
  { spec, access, cloud, credential }: Volume,
  { isNew, isUrgent, freshness }: ReadFilesOptions,
): Promise<VolumeSources> {
  const { cache, lastGood, turns, metrics, log, clock } = mounting
  const { key: identityKey, proof } = await mounting.identityKeys(credential)
  const maxAgeMs = proof === 'none' ? 0 : staleMsOf(mounting, spec)
  let oldest: number | undefined
  const reasons: { memory?: string; fallback?: string } = {}
  const reader = createVaultReader({
    ...access,
    cache,
    lastGood,
    turns,
    tickTurns: isUrgent ? undefined : mounting.tickTurns,
    credential,
    identityKey,
    owner: spec.pod.namespace,
    cloud,
    keepMs: maxAgeMs,
    freshness,
    onOutcome: metrics.cache,
    onRead: (type, name, error, durationMs) =>
      metrics.vaultRead({ type, name }, error === undefined ? '' : errorCodeOf(error), durationMs),
  })
  const onFound = (asked: number) => {
    oldest = Math.min(oldest ?? asked, asked)
  }
  const memory = createMemoryReader({ lastGood, cloud, identityKey, maxAgeMs, onFound })
  const vaultOf = (name: string) => vaultAddress(name, cloud.vaultSuffix)
  if (isNew && !access.tokens.isHeld(identityKey, { cloud, resource: cloud.vaultResource })) {
    clock.after(signInSentMs, () => prepareVault(access, spec, vaultOf))
  }
  return {
    readFrom({ vaultName, label }, readBy) {
      const { fallbackKeyvaultName } = spec.values
      const hasFallback = isNew && vaultName === undefined && fallbackKeyvaultName !== ''
      const vault = vaultOf(vaultName ?? spec.values.keyvaultName)
      return readInOrder({
        vault,
        fallback: hasFallback ? vaultOf(fallbackKeyvaultName) : undefined,
        read: readBy(reader),
        recall: isNew && maxAgeMs > 0 ? readBy(memory) : undefined,
        needsSignIn: proof === 'sign-in',
        onOther(source, code) {
          metrics.cache(source === 'memory' ? 'stale' : 'fallback')
          if (source === 'memory') reasons.memory = `vault ${vault.name} cannot answer [${code}]`
          else {
            // So that the driver reads again soon: a volume goes back to its own vault as one from memory does.
            onFound(clock.elapsed())
            reasons.fallback = `fallback vault "${fallbackKeyvaultName}" answered for vault "${vault.name}", which cannot answer [${code}]`
          }
          log.warn({ pod: podName(spec), object: label, source, code }, 'the vault cannot answer')
        },
        clock,
      })
    },
    stale: () => ({
      staleSince: oldest === undefined ? undefined : clock.now() - (clock.elapsed() - oldest),
      staleReason: [reasons.fallback, reasons.memory].filter((reason) => reason !== undefined).join('; '),
    }),
  }
}

/** By then the sign-in was sent, which would otherwise wait for the CPU that these connections take. */
const signInSentMs = 5
function staleMsOf({ stale: { defaultMs, maxMs } }: Mounting, { values }: MountSpec): number {
  return Math.min(values.serveStaleFor ?? defaultMs, maxMs)
}

/** What a source that failed, or is not waited for any more, had read does not count. */
async function inPart<T>(bytes: MountBytes, read: (part: CountedBytes) => Promise<T>): Promise<T> {
  const part = bytes.part()
  try {
    return await read(part)
  } catch (error) {
    part.release()
    throw error
  }
}

/** How contents become files, and what is reported about them. */
function contentOptions(
  { log, metrics, tasks, constructPemChain, separateFiles, clock }: Mounting,
  spec: MountSpec,
  { vaultName, intervalMs }: { vaultName: string; intervalMs: number },
): Omit<ReadObjectOptions, 'reader' | 'vault' | 'bytes'> {
  const label = (object: ObjectSpec) => ({ pod: podName(spec), vault: vaultName, object: objectLabel(object) })
  const from = { namespace: spec.pod.namespace, intervalMs }
  return {
    defaultMode: spec.defaultMode,
    owner: spec.pod.namespace,
    tasks,
    constructPemChain,
    separateFiles,
    onRemark: (object, text) => log.warn(label(object), text),
    onAttributes(object: ObjectSpec, times: ObjectAttributes, isCertificate: boolean) {
      metrics.mounted({ type: object.type, name: object.name, vault: vaultName, isCertificate }, times, from)
      const now = clock.now() / 1000
      if (times.exp !== undefined && times.exp < now) log.warn(label(object), 'the mounted version has expired')
      if (times.nbf !== undefined && times.nbf > now)
        log.warn(
          { ...label(object), notBefore: new Date(times.nbf * 1000).toISOString() },
          'the mounted version is not valid yet',
        )
    },
  }
}

/** Files and versions are parallel lists, one entry per file, as drivers expect. */
function toResponse(files: readonly ObjectFile[], { selects }: MountSpec): MountResponse {
  const collision = collidingPaths([...new Set(files.map(({ path }) => path))])
  if (collision !== undefined) {
    const problem = {
      path: 'objects',
      message: `"${collision.other}" is a file and also the folder of "${collision.path}"`,
    }
    throw new MountError('parameters-invalid', formatProblem(problem))
  }
  return {
    // A select that may be empty leaves an empty volume, which drivers refuse without any object.
    objectVersion:
      files.length === 0 && selects.length > 0
        ? [emptyVolume]
        : files.map(({ objectId, version }) => ({ id: objectId, version })),
    files: files.map(({ path, mode, contents }) => ({ path, mode, contents: viewOf(contents.reveal()) })),
    error: undefined,
  }
}

/** The same bytes as a Buffer, without a copy. */
function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** The error on the wire: upstream's words, then the code. What there is no room for is logged. */
function reported({ log }: Mounting, { attributes }: DecodedRequest, error: unknown): unknown {
  const code = errorCodeOf(error)
  if (code === 'internal-error' || !(error instanceof Error)) return error
  if (error instanceof MountError && error.whole !== undefined) {
    const name = (key: string) => attributes.get(`csi.storage.k8s.io/pod.${key}`) ?? ''
    log.warn({ pod: `${name('namespace')}/${name('name')}`, errorCode: code }, error.whole)
  }
  const text = error.message.startsWith(`[${code}] `) ? error.message : `[${code}] ${error.message}`
  return new MountError(code, `failed to mount objects, error: ${text}`, { cause: error })
}

function podName({ pod }: MountSpec): string {
  return `${pod.namespace}/${pod.name}`
}

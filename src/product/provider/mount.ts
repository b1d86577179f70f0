import { collidingPaths, createObjectsParser, type ObjectSpec, objectLabel, type ParseObjects } from '#azure/class'
import { type Cloud, type Credential, describeCredential, type IdentityKeys, type TokenSource } from '#azure/identity'
import { type ObjectAttributes, type VaultClient, vaultAddress } from '#azure/keyvault'
import { type MountRequest, type MountResponse, maxAgeAttribute } from '#kubernetes/provider-protocol'
import { type Clock, formatProblem, type Log, Problems } from '#lib'
import { createFairSlots, type FairSlots } from '#lib/async'
import type { TaskRunner } from '#lib/worker'
import type { ByteBudget, MountBytes } from './byte-budget.ts'
import { checkManagedIdentity, type ManagedIdentityPolicy } from './managed-identities.ts'
import { MountError, parameterError } from './mount-error.ts'
import type { MountSpec } from './mount-spec.ts'
import { parseMount } from './parse-mount.ts'
import { type DecodedRequest, decodeMountRequest } from './parse-mount-request.ts'
import { providerLimits } from './provider-limits.ts'
import type { ProviderMetrics } from './provider-metrics.ts'
import type { ReadCache } from './read-cache.ts'
import { type ObjectFile, type ReadObjectOptions, readObject } from './read-object.ts'
import { errorCodeOf, readObjects } from './read-objects.ts'
import { type CloudDefaults, resolveCloud } from './resolve-cloud.ts'
import { type CredentialDefaults, resolveCredential } from './resolve-credential.ts'
import { createVaultReader } from './vault-reader.ts'
import type { VaultTurns } from './vault-turns.ts'

/** How to reach the vaults of a cloud, or of the local Azure. */
export interface VaultAccess {
  client: VaultClient
  tokens: TokenSource
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
  turns: VaultTurns
  budget: ByteBudget
  tasks: TaskRunner
  constructPemChain: boolean
  separateFiles: boolean
  metrics: ProviderMetrics
  log: Log
  clock: Clock
}

export type Mount = (request: MountRequest) => Promise<MountResponse>

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

async function mountVolume(mounting: Mounting, request: MountRequest): Promise<MountResponse> {
  const decoded = decodeMountRequest(request)
  const notOlderThan = oldestShared(mounting, decoded)
  const namespace = namespaceOf(decoded)
  const release = takeSlot(mounting, namespace)
  const bytes = mounting.budget.open(namespace)
  try {
    const volume = await resolveVolume(mounting, decoded)
    // A volume that has content keeps it by itself when we fail; only a new pod needs the past.
    const isNew = request.currentObjectVersion.length === 0
    return toResponse(await readFiles(mounting, volume, { bytes, allowStale: isNew, notOlderThan }))
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
  if (spec.objects.length === 0)
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

async function readFiles(
  mounting: Mounting,
  { spec, access, cloud, credential }: Volume,
  { bytes, allowStale, notOlderThan }: { bytes: MountBytes; allowStale: boolean; notOlderThan: number | undefined },
): Promise<ObjectFile[]> {
  const { cache, turns, metrics, log } = mounting
  const reader = createVaultReader({
    ...access,
    cache,
    turns,
    credential,
    identityKey: await mounting.identityKeys(credential),
    owner: spec.pod.namespace,
    cloud,
    allowStale,
    notOlderThan,
    onRead: (type, name, error, durationMs) =>
      metrics.vaultRead({ type, name }, error === undefined ? '' : errorCodeOf(error), durationMs),
  })
  return readObjects(spec.objects, {
    identity: describeCredential(credential),
    read(object) {
      const vault = vaultAddress(object.vaultName ?? spec.values.keyvaultName, cloud.vaultSuffix)
      return readObject(object, { ...contentOptions(mounting, spec, vault.name), reader, vault, bytes })
    },
    onSkipped: (object, error) =>
      log.warn(
        { pod: podName(spec), object: objectLabel(object), code: errorCodeOf(error) },
        'optional object skipped',
      ),
  })
}

/** How contents become files, and what is reported about them. */
function contentOptions(
  { log, metrics, tasks, constructPemChain, separateFiles, clock }: Mounting,
  spec: MountSpec,
  vaultName: string,
): Omit<ReadObjectOptions, 'reader' | 'vault' | 'bytes'> {
  const label = (object: ObjectSpec) => ({ pod: podName(spec), vault: vaultName, object: objectLabel(object) })
  return {
    defaultMode: spec.defaultMode,
    owner: spec.pod.namespace,
    tasks,
    constructPemChain,
    separateFiles,
    onRemark: (object, text) => log.warn(label(object), text),
    onAttributes(object: ObjectSpec, times: ObjectAttributes) {
      metrics.mounted({ type: object.type, name: object.name, vault: vaultName }, times)
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
function toResponse(files: readonly ObjectFile[]): MountResponse {
  const collision = collidingPaths([...new Set(files.map(({ path }) => path))])
  if (collision !== undefined) {
    const problem = {
      path: 'objects',
      message: `"${collision.other}" is a file and also the folder of "${collision.path}"`,
    }
    throw new MountError('parameters-invalid', formatProblem(problem))
  }
  return {
    objectVersion: files.map(({ objectId, version }) => ({ id: objectId, version })),
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

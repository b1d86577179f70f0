import { collidingPaths, createObjectsParser, type ObjectSpec, objectLabel, type ParseObjects } from '#azure/class'
import { describeCredential } from '#azure/identity'
import type { ObjectAttributes } from '#azure/keyvault'
import {
  emptyVolume,
  type MountRequest,
  type MountResponse,
  type StaleContent,
  vaultsText,
} from '#kubernetes/provider-protocol'
import { formatProblem } from '#lib'
import { createFairSlots, type FairSlots } from '#lib/async'
import type { TaskRunner } from '#lib/worker'
import type { ByteBudget, CountedBytes, MountBytes } from './byte-budget.ts'
import { makeTemplateFiles } from './make-template-files.ts'
import { MountError } from './mount-error.ts'
import type { MountSpec } from './mount-spec.ts'
import { openSources, type SourcesOptions, type VolumeSources } from './open-sources.ts'
import { type DecodedRequest, decodeMountRequest } from './parse-mount-request.ts'
import { providerLimits } from './provider-limits.ts'
import { type ObjectFile, type ReadObjectOptions, readObject } from './read-object.ts'
import { errorCodeOf, readObjects } from './read-objects.ts'
import { podOf, resolveVolume, type Volume, type VolumeOptions, vaultHosts } from './resolve-volume.ts'
import { freshnessOf, isRequestedRotation, longestIntervalMs } from './rotation-request.ts'
import { selectObjects } from './select-objects.ts'

export interface MountOptions extends VolumeOptions, SourcesOptions {
  budget: ByteBudget
  tasks: TaskRunner
  constructPemChain: boolean
  separateFiles: boolean
}

export interface MountResult {
  response: MountResponse
  /** Undefined when every value comes from its own vault just now. */
  stale: StaleContent | undefined
  /** Hosts of the vaults of its objects, as the driver reads them. */
  vaults: string
  /** For how long the next reads need no sign-in, as the driver reads it. */
  heldToken: string
}

export type Mount = (request: MountRequest) => Promise<MountResult>

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

async function mountVolume(mounting: Mounting, request: MountRequest): Promise<MountResult> {
  const decoded = decodeMountRequest(request)
  const { clock } = mounting
  const arrived = clock.elapsed()
  const namespace = decoded.attributes.get('csi.storage.k8s.io/pod.namespace') ?? ''
  const release = takeSlot(mounting, namespace)
  const bytes = mounting.budget.open(namespace)
  try {
    const volume = await resolveVolume(mounting, decoded)
    const { spec } = volume
    const isNew = request.currentObjectVersion.length === 0
    const isUrgent = isNew || isRequestedRotation(decoded)
    const freshness = freshnessOf(decoded, spec, { clock, arrived })
    const sources = await openSources(mounting, volume, { isNew, isUrgent, freshness })
    const files = await readFiles(mounting, volume, { sources, bytes, intervalMs: longestIntervalMs(decoded, spec) })
    const { stale, heldToken } = sources.outcome()
    return { response: toResponse(files, spec), stale, vaults: vaultsText(vaultHosts(volume)), heldToken }
  } catch (error) {
    throw reported(mounting, decoded, error)
  } finally {
    bytes.release()
    release()
  }
}

function takeSlot({ slots }: Mounting, namespace: string): () => void {
  const release = slots.take(namespace)
  if (release !== undefined) return release
  const text = `as many mounts are in progress as the provider takes at once, of all or of namespace "${namespace}"; try again`
  throw new MountError('provider-busy', `failed to mount objects, error: [provider-busy] ${text}`, { retryable: true })
}

interface ReadFilesOptions {
  sources: VolumeSources
  bytes: MountBytes
  /** Until the volume is read again. */
  intervalMs: number
}

async function readFiles(
  mounting: Mounting,
  volume: Volume,
  { sources, bytes, intervalMs }: ReadFilesOptions,
): Promise<ObjectFile[]> {
  const { log, clock } = mounting
  const { spec } = volume
  const identity = describeCredential(volume.credential)
  const lists = bytes.part()
  const selected = await selectObjects(spec, {
    list: ({ type, vaultName, path }) =>
      sources.read({ vaultName, label: `${path}.select` }, (reader) => (vault) => reader.list(vault, type, lists.add)),
    vaultNameOf: ({ vaultName }) => vaultName ?? spec.values.keyvaultName,
    identity,
    clock,
  }).finally(() => lists.release())
  const read = await readObjects([...spec.objects, ...selected], {
    identity,
    read: (object) =>
      sources.read(
        { vaultName: object.vaultName, label: objectLabel(object) },
        (reader) => (vault) =>
          inPart(bytes, (part) =>
            readObject(object, {
              ...contentOptions(mounting, spec, { vaultName: vault.name, intervalMs }),
              ...{ reader, vault, bytes: part },
            }),
          ),
      ),
    onSkipped: (object, error) =>
      log.warn(
        { pod: podOf(spec), object: objectLabel(object), code: errorCodeOf(error) },
        object.selected ? 'object went while the volume was read' : 'optional object skipped',
      ),
  })
  const { templates, selects, defaultMode } = spec
  const made = await makeTemplateFiles({ templates, selects, sources: read, defaultMode, bytes })
  return [...read.filter(({ onlyTemplates }) => !onlyTemplates), ...made]
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
  const label = (object: ObjectSpec) => ({ pod: podOf(spec), vault: vaultName, object: objectLabel(object) })
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

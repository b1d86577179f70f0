import { collidingPaths, createObjectsParser, type ObjectSpec, objectLabel } from '#azure/class'
import { type Cloud, describeCredential, type IdentityKeys, type TokenSource } from '#azure/identity'
import { type VaultClient, vaultAddress } from '#azure/keyvault'
import type { MountRequest, MountResponse } from '#kubernetes/provider-protocol'
import { formatProblem, type Log, Problems } from '#lib'
import { MountError, parameterError } from './mount-error.ts'
import type { MountSpec } from './mount-spec.ts'
import { parseMount } from './parse-mount.ts'
import { decodeMountRequest } from './parse-mount-request.ts'
import type { ProviderMetrics } from './provider-metrics.ts'
import type { ReadCache } from './read-cache.ts'
import { type ObjectFile, readObject } from './read-object.ts'
import { errorCodeOf, readObjects } from './read-objects.ts'
import { type CloudDefaults, resolveCloud } from './resolve-cloud.ts'
import { type CredentialDefaults, resolveCredential } from './resolve-credential.ts'
import { createVaultReader } from './vault-reader.ts'

/** How to reach one place where vaults are: a cloud, or the local Azure. */
export interface VaultAccess {
  client: VaultClient
  tokens: TokenSource
}

export interface MountOptions {
  cloud: CloudDefaults
  credential: CredentialDefaults
  access: VaultAccess
  /** The local Azure for classes with `useEmulator`; undefined where none is configured. */
  emulator: { access: VaultAccess; cloud: Cloud } | undefined
  identityKeys: IdentityKeys
  cache: ReadCache
  constructPemChain: boolean
  separateFiles: boolean
  metrics: ProviderMetrics
  log: Log
}

export type Mount = (request: MountRequest) => Promise<MountResponse>

/** The Mount call: parameters → identity → objects, all at once → files. Throws {@link MountError}. */
export function createMount(options: MountOptions): Mount {
  const parseObjects = createObjectsParser()
  return async (request) => {
    const decoded = decodeMountRequest(request)
    try {
      const problems = new Problems()
      const spec = parseMount(decoded, problems, parseObjects)
      const { access, cloud } = await resolveAccess(spec, options, problems)
      const choice = await resolveCredential(spec, options.credential)
      if ('problems' in choice) {
        const code = problems.count === 0 && choice.unreadableAccount ? 'service-account-unreadable' : undefined
        for (const { path, message } of choice.problems.list) problems.add(path, message)
        throw parameterError(problems, code)
      }
      if (problems.count > 0 || cloud === undefined) throw parameterError(problems)
      if (spec.objects.length === 0)
        options.log.warn({ pod: podName(spec) }, 'the class lists no objects; drivers refuse a volume without any')

      const { credential } = choice
      const { client, tokens } = access
      const identityKey = await options.identityKeys(credential)
      const reader = createVaultReader({
        client,
        tokens,
        cache: options.cache,
        credential,
        identityKey,
        cloud,
        // A volume that has content keeps it by itself when we fail; only a new pod needs the past.
        allowStale: request.currentObjectVersion.length === 0,
        onRead: (type, name, error, durationMs) =>
          options.metrics.vaultRead({ type, name }, error === undefined ? '' : errorCodeOf(error), durationMs),
      })
      const files = await readObjects(spec.objects, {
        identity: describeCredential(credential),
        read: (object) => {
          const vault = vaultAddress(object.vaultName ?? spec.values.keyvaultName, cloud.vaultSuffix)
          return readObject(object, { ...observe(spec, vault.name, options), reader, vault })
        },
        onSkipped: (object, error) =>
          options.log.warn(
            { pod: podName(spec), object: objectLabel(object), code: errorCodeOf(error) },
            'optional object skipped',
          ),
      })
      return toResponse(files)
    } catch (error) {
      throw wrapped(error)
    }
  }
}

async function resolveAccess(
  spec: MountSpec,
  { access, emulator, cloud }: MountOptions,
  problems: Problems,
): Promise<{ access: VaultAccess; cloud: Cloud | undefined }> {
  if (spec.values.useEmulator) {
    if (emulator !== undefined) return emulator
    const words =
      'useEmulator: this provider has no local Azure configured; remove useEmulator from the class, or start the provider with --emulator-proxy'
    throw new MountError('emulator-not-configured', words)
  }
  try {
    return { access, cloud: await resolveCloud(spec.values, cloud) }
  } catch (error) {
    if (!(error instanceof MountError)) throw error
    // Alone it keeps its own code; with other problems it is one of them.
    if (problems.count === 0) throw error
    problems.add('', error.message)
    return { access, cloud: undefined }
  }
}

function observe(spec: MountSpec, vaultName: string, { log, metrics, constructPemChain, separateFiles }: MountOptions) {
  const label = (object: ObjectSpec) => ({ pod: podName(spec), vault: vaultName, object: objectLabel(object) })
  return {
    defaultMode: spec.defaultMode,
    constructPemChain,
    separateFiles,
    onIncompleteChain: (object: ObjectSpec) =>
      log.warn(
        label(object),
        'certificate chain is not complete due to missing intermediate/root certificates in the cert from key vault',
      ),
    onAttributes(object: ObjectSpec, times: { updated?: number; exp?: number }) {
      metrics.mounted({ type: object.type, name: object.name, vault: vaultName }, times)
      if (times.exp !== undefined && times.exp * 1000 < Date.now())
        log.warn(label(object), 'the mounted version has expired')
    },
  }
}

/** Files and versions are parallel lists, one entry per file, as drivers of the field expect. */
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
    files: files.map(({ path, mode, contents }) => ({ path, mode, contents: Buffer.from(contents.reveal()) })),
    error: undefined,
  }
}

function wrapped(error: unknown): unknown {
  const code = errorCodeOf(error)
  if (code === 'internal-error' || !(error instanceof Error)) return error
  return new MountError(code, `failed to mount objects, error: ${error.message}`, { cause: error })
}

function podName({ pod }: MountSpec): string {
  return `${pod.namespace}/${pod.name}`
}

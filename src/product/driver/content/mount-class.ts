import {
  classAnnotations,
  isNotFound,
  type KubeClient,
  KubeError,
  resources,
  type SecretObject,
  type SecretProviderClass,
} from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import { type FileOwner, parseFileOwner } from '#kubernetes/volume-files'
import { errorMessage } from '#lib'
import { parseDuration } from '#lib/formats'
import type { SeenClass } from '../mount/volumes.ts'
import { PublishError } from '../rpc/publish-error.ts'

/** A SecretProviderClass as far as the driver acts on it, together with what the pod's volume says beside it. */
export interface MountClass {
  provider: string
  /** What the provider gets as attributes, without tokens. */
  attributes: Readonly<Record<string, string>>
  secretObjects: readonly SecretObject[]
  /** Rotation interval of the class in milliseconds; undefined for the driver's own. */
  intervalMs: number | undefined
  owner: FileOwner
  seen: SeenClass
}

export type ClassReader = (ref: { namespace: string; name: string }) => Promise<SecretProviderClass>

/** Reads a class from the API server, once per call: nothing is kept of what is not mounted here. */
export function createClassReader(kube: KubeClient): ClassReader {
  return async (ref) => {
    try {
      return await kube.get(resources.secretProviderClasses, ref)
    } catch (error) {
      // This text is a contract: suites of the field look for it in the pod's event.
      const message = `failed to get secretproviderclass ${ref.namespace}/${ref.name}, error: ${errorMessage(error)}`
      const passing = error instanceof KubeError && (error.status === 0 || error.status === 429 || error.status >= 500)
      const code = passing && !isNotFound(error) ? Code.UNAVAILABLE : Code.UNKNOWN
      throw new PublishError('SecretProviderClassNotFound', code, message, { cause: error })
    }
  }
}

/** A tick this short would only heat the vault. */
const minIntervalMs = 1000

/**
 * @param context the volume's attributes, beside the class's parameters; of equal names the volume's wins, as everywhere in
 * the field, unless `attributesWin` is false.
 */
export function parseClass(
  object: SecretProviderClass,
  context: Readonly<Record<string, string>>,
  attributesWin = true,
): MountClass {
  const { namespace = '', name = '', generation, annotations = {} } = object.metadata
  const fail = (what: string): never => {
    throw new PublishError('FailedToMount', Code.UNKNOWN, `SecretProviderClass ${namespace}/${name}: ${what}`)
  }
  const { provider = '', parameters = {}, secretObjects = [] } = object.spec ?? {}
  if (provider === '') fail('spec.provider is missing: it names the provider, for example azure')
  if (Object.keys(parameters).length === 0) fail('spec.parameters is missing: it tells the provider what to read')
  const { fileOwner, ...attributes } = attributesWin ? { ...parameters, ...context } : { ...context, ...parameters }
  const { syncInterval } = attributes
  const intervalMs = syncInterval === undefined || syncInterval === '' ? undefined : parseDuration(syncInterval)
  if (syncInterval !== undefined && syncInterval !== '' && (intervalMs === undefined || intervalMs < minIntervalMs))
    fail(`parameters.syncInterval: found "${syncInterval}", expected a duration of 1s or more, for example 5m`)
  const owner = parseFileOwner(fileOwner ?? '')
  if (owner === undefined)
    fail(`parameters.fileOwner: found "${fileOwner}", expected "<user id>" or "<user id>:<group id>"`)
  return {
    provider,
    attributes,
    secretObjects,
    intervalMs,
    owner: owner ?? {},
    seen: { generation, rotateRequest: annotations[classAnnotations.rotate] },
  }
}

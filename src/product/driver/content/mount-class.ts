import {
  type ClassChange,
  classAnnotations,
  isObjectName,
  objectNameForm,
  parseClassChange,
  parseSyncInterval,
  type SecretObject,
  type SecretProviderClass,
  syncIntervalForm,
} from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import {
  changedAttribute,
  intervalAttribute,
  maxAgeAttribute,
  serviceAccountAnnotationsAttribute,
} from '#kubernetes/provider-protocol'
import { type FileOwner, parseFileOwner } from '#kubernetes/volume-files'
import { beyondLimit } from '#lib'
import { driverLimits } from '../driver-limits.ts'
import type { SeenClass } from '../mount/volumes.ts'
import { codedText } from '../rpc/coded-text.ts'
import { PublishError } from '../rpc/publish-error.ts'
import { driverSecrets } from './driver-secrets.ts'

/** A SecretProviderClass as far as the driver acts on it, merged with the volume's attributes. */
export interface MountClass {
  provider: string
  /** What the provider gets as attributes, without tokens. */
  attributes: Readonly<Record<string, string>>
  secretObjects: readonly SecretObject[]
  /** Rotation interval of the class in milliseconds; undefined for the driver's own. */
  intervalMs: number | undefined
  owner: FileOwner
  /** Name of the Secret that fills a new volume in an outage; empty for none. */
  fallbackSecret: string
  seen: SeenClass
  /** Parameters of the class that were left out, because only kubelet may set them. */
  reserved: readonly string[]
  /** Whether the volume's attributes add or replace parameters. */
  overridden: boolean
}

export interface MergeOptions {
  /** Whether an attribute of the volume overrides an equally named parameter, as upstream has it. */
  attributesWin: boolean
}

/**
 * Attributes that identify the pod that mounts, and for what. They come from kubelet and the driver alone: a class that could set them would
 * choose another pod's identity.
 */
export function isReserved(name: string): boolean {
  return name.startsWith('csi.storage.k8s.io/') || name === 'secretProviderClass' || ofCallers.includes(name)
}

/** Attributes by which a caller of the provider describes a request, beside class and volume. Neither of those may set them. */
const ofCallers: readonly string[] = [
  maxAgeAttribute,
  changedAttribute,
  intervalAttribute,
  serviceAccountAnnotationsAttribute,
]

/** @param context the volume's attributes. Throws {@link PublishError} for a class that cannot be mounted. */
export function parseClass(
  object: SecretProviderClass,
  context: Readonly<Record<string, string>>,
  { attributesWin }: MergeOptions,
): MountClass {
  const { generation, annotations = {} } = object.metadata
  const { provider = '', parameters = {} } = object.spec ?? {}
  if (provider === '') throw unusable(object, 'spec.provider is missing: it names the provider, for example azure')
  if (Object.keys(parameters).length === 0)
    throw unusable(object, 'spec.parameters is missing: it names what the provider reads')
  const { classBytes: limit } = driverLimits
  const bytes = Object.entries(parameters).reduce((sum, [name, value]) => sum + name.length + value.length, 0)
  if (bytes > limit.value) throw unusable(object, `spec.parameters: ${beyondLimit(limit, bytes)}`)
  const allowed = Object.fromEntries(Object.entries(parameters).filter(([name]) => !isReserved(name)))
  const ofVolume = Object.fromEntries(Object.entries(context).filter(([name]) => !ofCallers.includes(name)))
  const merged = attributesWin ? { ...allowed, ...ofVolume } : { ...ofVolume, ...allowed }
  const { fileOwner = '', ...attributes } = merged
  return {
    provider,
    attributes,
    secretObjects: driverSecrets(object),
    intervalMs: intervalOf(object, attributes.syncInterval ?? ''),
    owner: ownerOf(object, fileOwner),
    fallbackSecret: fallbackOf(object, attributes.fallbackSecretName ?? ''),
    seen: { generation, rotateRequest: annotations[classAnnotations.rotate], changeId: changeOf(object)?.id },
    reserved: Object.keys(parameters).filter(isReserved),
    overridden: Object.entries(merged).some(([name, value]) => !isReserved(name) && allowed[name] !== value),
  }
}

/** What changed in the vault, as the class reports it; undefined for nothing. */
export function changeOf({ metadata }: Pick<SecretProviderClass, 'metadata'>): ClassChange | undefined {
  const text = metadata.annotations?.[classAnnotations.changed]
  return text === undefined ? undefined : parseClassChange(text)
}

function intervalOf(object: SecretProviderClass, text: string): number | undefined {
  if (text === '') return undefined
  const ms = parseSyncInterval(text)
  if (ms === undefined)
    throw unusable(object, `parameters.syncInterval: found "${text.slice(0, 80)}", expected ${syncIntervalForm}`)
  return ms
}

function ownerOf(object: SecretProviderClass, text: string): FileOwner {
  const owner = parseFileOwner(text)
  if (owner === undefined)
    throw unusable(
      object,
      `parameters.fileOwner: found "${text.slice(0, 80)}", expected "<user id>" or "<user id>:<group id>"`,
    )
  return owner
}

function fallbackOf(object: SecretProviderClass, text: string): string {
  if (text !== '' && !isObjectName(text))
    throw unusable(object, `parameters.fallbackSecretName: found "${text.slice(0, 80)}", expected ${objectNameForm}`)
  return text
}

function unusable({ metadata }: SecretProviderClass, what: string): PublishError {
  const { namespace = '', name = '' } = metadata
  return new PublishError(
    'FailedToMount',
    Code.UNKNOWN,
    codedText('class-invalid', `SecretProviderClass ${namespace}/${name}: ${what}`),
  )
}

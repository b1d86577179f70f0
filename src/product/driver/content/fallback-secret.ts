import { createObjectsParser, type NamedFile, namedFiles, parseParameters } from '#azure/class'
import {
  fallbackSecretKey,
  isForbidden,
  isNotFound,
  type KubeObject,
  resources,
  type Secret,
  versionsAnnotation,
} from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import type { ObjectVersion } from '#kubernetes/provider-protocol'
import type { VolumeFile } from '#kubernetes/volume-files'
import { beyondLimit, errorMessage, Problems, SecretValue } from '#lib'
import { parseJson, recordOf, stringOf, valueAt } from '#lib/formats'
import { type DriverErrorCode, errorCatalogue, isOutage } from '#product/error-catalogue'
import { driverLimits } from '../driver-limits.ts'
import type { Node } from '../node.ts'
import { codedText } from '../rpc/coded-text.ts'
import { PublishError } from '../rpc/publish-error.ts'
import type { PublishRequest } from '../rpc/publish-request.ts'
import { sortedVersions, type VolumeContent } from './fetch-content.ts'
import type { MountClass } from './mount-class.ts'

/** Mode of files for which the class names none. */
const defaultMode = 0o644

interface FallbackOptions {
  /** Why the provider gave no content. */
  failure: unknown
  signal: AbortSignal
}

/**
 * The content of a new volume from the Secret of the class's `fallbackSecretName`, where the provider cannot answer for a reason
 * that passes. Throws the provider's failure where that is not so, and a {@link PublishError} where the Secret cannot be used.
 */
export async function contentFromFallback(
  node: Node,
  request: PublishRequest,
  mountClass: MountClass,
  { failure, signal }: FallbackOptions,
): Promise<VolumeContent> {
  const name = mountClass.fallbackSecret
  if (name === '' || !(failure instanceof PublishError) || !isOutageFailure(failure.message)) throw failure
  const fallback: Fallback = { node, request, name, failure, signal }
  // A Secret of a MiB is several in memory until it has become files.
  const content = await node.fallbackReads.run(
    request.pod.namespace,
    async () => contentOf(fallback, await readFallback(fallback), filesOfClass(mountClass)),
    signal,
  )
  node.log.warn(
    { pod: `${request.pod.namespace}/${request.pod.name}`, class: request.className, secret: name },
    `the volume is filled from fallbackSecretName: ${failure.message}`,
  )
  return content
}

/** A code in brackets, as the texts of our provider and of the driver have it. */
const codePattern = /\[([a-z]{1,20}(?:-[a-z]{1,20}){1,5})\]/g

/**
 * Whether each of the causes is an outage. The first code is the provider's own; others are of further objects, or words of the class,
 * which can only make it a refusal.
 */
function isOutageFailure(message: string): boolean {
  const codes = [...message.matchAll(codePattern)].map(([, code = '']) => code)
  const [first = '', ...others] = codes
  const isKnown = (code: string) => Object.hasOwn(errorCatalogue, code)
  return message.startsWith(`[${first}] `) && [first, ...others.filter(isKnown)].every(isOutage)
}

interface Fallback {
  node: Node
  request: PublishRequest
  /** Of the Secret. */
  name: string
  failure: PublishError
  signal: AbortSignal
}

async function readFallback(fallback: Fallback): Promise<Secret> {
  const { node, request, name, signal } = fallback
  const { namespace } = request.pod
  try {
    return await node.kube.get(resources.secrets, { name, namespace }, { signal })
  } catch (error) {
    signal.throwIfAborted()
    const secret = `Secret "${name}" of namespace "${namespace}"`
    if (isNotFound(error)) throw unusable(fallback, 'fallback-secret-missing', `${secret} does not exist`)
    if (isForbidden(error)) {
      const advice = 'set the chart value syncSecret.enabled (and syncSecret.namespaces, if used)'
      throw unusable(fallback, 'fallback-secret-forbidden', `the driver may not read ${secret}; ${advice}`)
    }
    throw unusable(fallback, 'fallback-secret-unreadable', `${secret} cannot be read: ${errorMessage(error)}`)
  }
}

function contentOf(fallback: Fallback, secret: Secret, named: ReadonlyMap<string, NamedFile>): VolumeContent {
  const { node, name, failure } = fallback
  const reason = `Secret "${name}" (fallbackSecretName) filled the volume: ${failure.message}`
  const stale = { since: writtenAt(node, secret), reason }
  const files = filesOf(fallback, secret, named)
  return { files, versions: versionsOf(secret), large: false, stale, vaults: [], tokenOf: undefined }
}

/** Room for the provider's reason in an event of 1,024 characters, most of which kubelet takes for its own words. */
const maxReason = 500

function unusable({ failure, name }: Fallback, code: DriverErrorCode, what: string): PublishError {
  const text = codedText(code, `fallbackSecretName "${name.slice(0, 80)}": ${what}`)
  const reason = failure.message.slice(0, maxReason).toWellFormed()
  return new PublishError(failure.errorType, Code.UNAVAILABLE, `${text}; it is needed because ${reason}`, {
    cause: failure,
  })
}

const parseObjects = createObjectsParser()

/** The files by their keys. Of a provider other than ours they are not known: there, a key is the name of a file. */
function filesOfClass({ provider, attributes }: MountClass): Map<string, NamedFile> {
  if (provider !== 'azure') return new Map()
  const spec = parseParameters(new Map(Object.entries(attributes)), new Problems(), parseObjects)
  return new Map(namedFiles(spec).map((file) => [fallbackSecretKey(file.path), file]))
}

/** All keys of the Secret; a file of the class that has no key makes it unusable, because a volume is never half full. */
function filesOf(fallback: Fallback, { data = {} }: Secret, named: ReadonlyMap<string, NamedFile>): VolumeFile[] {
  const missing = [...named].filter(([key, { optional }]) => !optional && data[key] === undefined)
  if (missing.length > 0) {
    const keys = missing.slice(0, 5).map(([key, { path }]) => `"${key.slice(0, 100)}" for file "${path.slice(0, 100)}"`)
    const more = missing.length > keys.length ? ` and ${missing.length - keys.length} more` : ''
    throw unusable(fallback, 'fallback-secret-incomplete', `the Secret has no key ${keys.join(', ')}${more}`)
  }
  const entries = Object.entries(data)
  const { fallbackKeys: most } = driverLimits
  if (entries.length > most.value)
    throw unusable(fallback, 'fallback-secret-too-large', beyondLimit(most, entries.length))
  if (entries.length === 0) throw unusable(fallback, 'fallback-secret-incomplete', 'the Secret has no keys')
  return entries.map(([key, text]) => ({
    path: named.get(key)?.path ?? key,
    mode: named.get(key)?.mode ?? defaultMode,
    contents: SecretValue.of(Buffer.from(text, 'base64')),
  }))
}

/** Those that the sync controller recorded; of a Secret from elsewhere, the version of the Secret for each key. */
function versionsOf({ metadata, data = {} }: Secret): ObjectVersion[] {
  const recorded = recordedVersions(metadata.annotations?.[versionsAnnotation] ?? '')
  if (recorded.length > 0) return sortedVersions(recorded)
  return sortedVersions(Object.keys(data).map((key) => [key, metadata.resourceVersion ?? '']))
}

/** None where they are not readable, or more than the controller records: each goes into a status object. */
function recordedVersions(text: string): [string, string][] {
  if (text.length > driverLimits.fallbackVersionsLength.value) return []
  try {
    const entries = Object.entries(recordOf(parseJson(versionsAnnotation, text)) ?? {})
    if (entries.length > driverLimits.fallbackKeys.value) return []
    return entries.flatMap(([id, version]) => (typeof version === 'string' ? [[id, version] as [string, string]] : []))
  } catch {
    return []
  }
}

/** When the Secret was last written: its values are at least as new as that. */
function writtenAt({ clock }: Node, { metadata }: KubeObject): number {
  const times = (metadata.managedFields ?? []).map((entry) => stringOf(valueAt(entry, 'time')))
  const known = [metadata.creationTimestamp, ...times].map((text) => Date.parse(text ?? '')).filter(Number.isFinite)
  return known.length === 0 ? clock.now() : Math.max(...known)
}

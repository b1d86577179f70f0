import {
  isNotFound,
  type KeyToPath,
  type KubeClient,
  type Pod,
  type ProjectedSource,
  resources,
  type Volume,
} from '../../kube/index.ts'
import { SecretValue, type VolumeFile } from '../../lib/index.ts'
import { PodConfigError, podField } from './pod-fields.ts'
import type { PodTokens } from './token-cache.ts'

const defaultTokenSeconds = 3600
const defaultFileMode = 0o644

export interface FileSources {
  kube: KubeClient
  tokens: PodTokens
}

/**
 * The files of a volume that the node agent writes itself (secret, config map, downward API, projected), or undefined for
 * a volume of another kind. Throws {@link PodConfigError} for what is missing and not optional.
 */
export function volumeFiles(pod: Pod, volume: Volume, sources: FileSources): Promise<VolumeFile[]> | undefined {
  const { secret, configMap, downwardAPI, projected } = volume
  if (secret !== undefined)
    return sourceFiles(pod, { secret: { ...secret, name: secret.secretName ?? '' } }, secret.defaultMode, sources)
  if (configMap !== undefined)
    return sourceFiles(pod, { configMap: { ...configMap, name: configMap.name ?? '' } }, configMap.defaultMode, sources)
  if (downwardAPI !== undefined) return sourceFiles(pod, { downwardAPI }, undefined, sources)
  if (projected === undefined) return undefined
  const parts = (projected.sources ?? []).map((source) => sourceFiles(pod, source, projected.defaultMode, sources))
  // A later source wins over an earlier one at the same path.
  return Promise.all(parts).then((lists) => [...new Map(lists.flat().map((file) => [file.path, file])).values()])
}

async function sourceFiles(
  pod: Pod,
  source: ProjectedSource,
  defaultMode: number = defaultFileMode,
  { kube, tokens }: FileSources,
): Promise<VolumeFile[]> {
  const namespace = pod.metadata.namespace ?? ''
  const { serviceAccountToken, configMap, secret, downwardAPI } = source
  if (serviceAccountToken !== undefined) {
    const { audience = '', expirationSeconds = defaultTokenSeconds, path } = serviceAccountToken
    const { token } = await tokens.get(pod, audience, expirationSeconds)
    return [{ path, mode: defaultMode, contents: SecretValue.of(token) }]
  }
  if (secret !== undefined) {
    const object = await optional(secret, `secret "${secret.name}" not found`, () =>
      kube.get(resources.secrets, { name: secret.name, namespace }),
    )
    return pick(decode(object?.data), secret, defaultMode, `secret "${namespace}"/"${secret.name}"`)
  }
  if (configMap !== undefined) {
    const object = await optional(configMap, `configmap "${configMap.name}" not found`, () =>
      kube.get(resources.configMaps, { name: configMap.name, namespace }),
    )
    const texts = Object.entries(object?.data ?? {}).map(([key, text]) => [key, Buffer.from(text)] as const)
    const data = new Map([...texts, ...decode(object?.binaryData)])
    return pick(data, configMap, defaultMode, `configmap "${namespace}"/"${configMap.name}"`)
  }
  return (downwardAPI?.items ?? []).map(({ path, fieldRef }) => ({
    path,
    mode: defaultMode,
    contents: SecretValue.of(podField(pod, fieldRef?.fieldPath ?? '')),
  }))
}

async function optional<T>(
  ref: { optional?: boolean },
  missing: string,
  read: () => Promise<T>,
): Promise<T | undefined> {
  try {
    return await read()
  } catch (error) {
    if (!isNotFound(error)) throw error
    if (ref.optional === true) return undefined
    throw new PodConfigError(missing)
  }
}

function decode(data: Record<string, string> = {}): Map<string, Buffer> {
  return new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64')]))
}

/** The keys that `items` names, or all. */
function pick(
  data: ReadonlyMap<string, Uint8Array>,
  ref: { items?: KeyToPath[]; optional?: boolean },
  defaultMode: number,
  what: string,
): VolumeFile[] {
  const items: KeyToPath[] = ref.items ?? [...data.keys()].map((key) => ({ key, path: key }))
  return items.flatMap(({ key, path, mode = defaultMode }) => {
    const bytes = data.get(key)
    if (bytes !== undefined) return [{ path, mode, contents: SecretValue.of(bytes) }]
    if (ref.optional === true) return []
    throw new PodConfigError(`references non-existent ${what.split(' ')[0]} key: ${key}`)
  })
}

import type { KeyToPath, KubeClient, Pod, ProjectedSource, Volume } from '#kubernetes/client'
import type { VolumeFile } from '#kubernetes/volume-files'
import { SecretValue } from '#lib'
import { createConfigReader } from './config-reader.ts'
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
  const { serviceAccountToken, configMap, secret, downwardAPI } = source
  if (serviceAccountToken !== undefined) {
    const { audience = '', expirationSeconds = defaultTokenSeconds, path } = serviceAccountToken
    const { token } = await tokens.get(pod, audience, expirationSeconds)
    return [{ path, mode: defaultMode, contents: SecretValue.of(token) }]
  }
  const read = createConfigReader(kube, pod.metadata.namespace ?? '')
  if (secret !== undefined) return pick(await read.secret(secret), secret, defaultMode, 'secret')
  if (configMap !== undefined) return pick(await read.configMap(configMap), configMap, defaultMode, 'configmap')
  return (downwardAPI?.items ?? []).map(({ path, fieldRef }) => ({
    path,
    mode: defaultMode,
    contents: SecretValue.of(podField(pod, fieldRef?.fieldPath ?? '')),
  }))
}

/** The keys that `items` names, or all. */
function pick(
  data: ReadonlyMap<string, Uint8Array> = new Map(),
  ref: { items?: KeyToPath[]; optional?: boolean },
  defaultMode: number,
  kind: string,
): VolumeFile[] {
  const items: KeyToPath[] = ref.items ?? [...data.keys()].map((key) => ({ key, path: key }))
  return items.flatMap(({ key, path, mode = defaultMode }) => {
    const bytes = data.get(key)
    if (bytes !== undefined) return [{ path, mode, contents: SecretValue.of(bytes) }]
    if (ref.optional === true) return []
    throw new PodConfigError(`references non-existent ${kind} key: ${key}`)
  })
}

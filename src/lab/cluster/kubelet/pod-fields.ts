import type { Pod } from '#kubernetes/client'
import { CodedError } from '#lib'
import type { PodFieldPath } from '../pod-field-paths.ts'

/** A pod needs something that does not exist or that the local cluster does not support. The message is for the container's status. */
export class PodConfigError extends CodedError<'pod-config'> {
  constructor(message: string) {
    super('pod-config', message)
  }
}

/**
 * The value of a field of a pod, as environment variables and downward API files name it.
 * https://kubernetes.io/docs/concepts/workloads/pods/downward-api/#available-fields
 */
export function podField(pod: Pod, path: string): string {
  const { metadata, spec, status = {} } = pod
  const subscript = /^metadata\.(labels|annotations)\['([^']+)'\]$/.exec(path)
  if (subscript !== null) {
    const map = subscript[1] === 'labels' ? metadata.labels : metadata.annotations
    return map?.[subscript[2] ?? ''] ?? ''
  }
  const value = Object.hasOwn(fields, path) ? fields[path as PodFieldPath] : undefined
  if (value === undefined) throw new PodConfigError(`field ${path} of a pod is not supported by the local cluster`)
  return value({ metadata, spec, status })
}

type Fields = Pick<Pod, 'metadata' | 'spec'> & { status: NonNullable<Pod['status']> }

const fields: Record<PodFieldPath, (pod: Fields) => string> = {
  'metadata.name': ({ metadata }) => metadata.name ?? '',
  'metadata.namespace': ({ metadata }) => metadata.namespace ?? '',
  'metadata.uid': ({ metadata }) => metadata.uid ?? '',
  'metadata.labels': ({ metadata }) => mapText(metadata.labels),
  'metadata.annotations': ({ metadata }) => mapText(metadata.annotations),
  'spec.nodeName': ({ spec }) => spec.nodeName ?? '',
  'spec.serviceAccountName': ({ spec }) => spec.serviceAccountName ?? 'default',
  'status.podIP': ({ status }) => status.podIP ?? '',
  'status.podIPs': ({ status }) => (status.podIPs ?? []).map(({ ip }) => ip).join(','),
  'status.hostIP': ({ status }) => status.hostIP ?? '',
  'status.hostIPs': ({ status }) => status.hostIP ?? '',
}

/** One `key="value"` per line, sorted. */
function mapText(map: Record<string, string> = {}): string {
  const keys = Object.keys(map).sort()
  return keys.map((key) => `${key}=${JSON.stringify(map[key])}`).join('\n')
}

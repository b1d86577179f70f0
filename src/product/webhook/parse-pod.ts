import type { EnvVar, VolumeMount } from '#kubernetes/client'
import { formatProblem, type Problem } from '#lib'
import { AdmissionDenied } from './admission-denied.ts'

/**
 * A pod that is being created, as far as the webhook looks at it. A list that the pod does not have is undefined: a patch
 * must make it before it can append to it. Whatever else the pod has is never read, so it cannot be lost.
 */
export interface AdmittedPod {
  /** Its name, or its prefix when the API server is yet to make one: the same in every round of admission. */
  name: string
  annotations: Readonly<Record<string, string>>
  serviceAccountName: string
  hostNetwork: boolean
  initContainers: readonly AdmittedContainer[] | undefined
  containers: readonly AdmittedContainer[] | undefined
  volumes: readonly AdmittedVolume[] | undefined
}

export interface AdmittedContainer {
  name: string
  env: readonly Pick<EnvVar, 'name'>[] | undefined
  volumeMounts: readonly VolumeMount[] | undefined
}

export interface AdmittedVolume {
  name: string
  [source: string]: unknown
}

/** Reads the pod of an admission request. Throws {@link AdmissionDenied} with everything that has the wrong shape. */
export function parsePod(object: unknown): AdmittedPod {
  if (object === undefined || object === null) throw new AdmissionDenied('there is no content to decode')
  const problems: Problem[] = []
  const pod = recordAt(object, '', problems)
  const metadata = recordAt(pod['metadata'] ?? {}, 'metadata', problems)
  const spec = recordAt(pod['spec'] ?? {}, 'spec', problems)
  const lists = {
    initContainers: containersAt(spec['initContainers'], 'spec.initContainers', problems),
    containers: containersAt(spec['containers'], 'spec.containers', problems),
    volumes: namedListAt(spec['volumes'], 'spec.volumes', problems),
  }
  const annotations = recordAt(metadata['annotations'] ?? {}, 'metadata.annotations', problems)
  for (const [key, value] of Object.entries(annotations)) textAt(value, `metadata.annotations[${key}]`, problems)
  const name = textAt(metadata['name'], 'metadata.name', problems)
  const prefix = textAt(metadata['generateName'], 'metadata.generateName', problems)
  const serviceAccountName = textAt(spec['serviceAccountName'], 'spec.serviceAccountName', problems)
  if (problems.length > 0) throw new AdmissionDenied(`cannot decode the pod: ${problems.map(formatProblem).join('; ')}`)
  return {
    name: name === '' ? `${prefix} (prefix)` : name,
    annotations: annotations as Record<string, string>,
    serviceAccountName: serviceAccountName === '' ? 'default' : serviceAccountName,
    hostNetwork: spec['hostNetwork'] === true,
    ...lists,
  }
}

function containersAt(value: unknown, path: string, problems: Problem[]): AdmittedContainer[] | undefined {
  return namedListAt(value, path, problems)?.map((container, i) => ({
    name: container.name,
    env: namedListAt(container['env'], `${path}[${i}].env`, problems),
    volumeMounts: mountsAt(container['volumeMounts'], `${path}[${i}].volumeMounts`, problems),
  }))
}

function mountsAt(value: unknown, path: string, problems: Problem[]): VolumeMount[] | undefined {
  return namedListAt(value, path, problems)?.map((mount, i) => ({
    ...mount,
    mountPath: textAt(mount['mountPath'], `${path}[${i}].mountPath`, problems),
  }))
}

function namedListAt(
  value: unknown,
  path: string,
  problems: Problem[],
): (Record<string, unknown> & { name: string })[] | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) {
    problems.push({ path, message: `found ${typeof value}, expected a list` })
    return undefined
  }
  return value.map((item: unknown, i) => {
    const record = recordAt(item, `${path}[${i}]`, problems)
    return { ...record, name: textAt(record['name'], `${path}[${i}].name`, problems) }
  })
}

function recordAt(value: unknown, path: string, problems: Problem[]): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  problems.push({ path, message: `found ${value === null ? 'null' : typeof value}, expected an object` })
  return {}
}

function textAt(value: unknown, path: string, problems: Problem[]): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  problems.push({ path, message: `found ${typeof value}, expected text` })
  return ''
}

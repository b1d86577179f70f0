import type { EnvVar, VolumeMount } from '#kubernetes/client'
import { formatProblem, Problems } from '#lib'
import { listOf, recordOf } from '#lib/formats'
import { AdmissionDenied } from './admission-denied.ts'

/**
 * A pod that is being created, with the fields that the webhook reads. A list that the pod does not have is undefined: a
 * patch must create it before it can append to it. Other fields are never read, so they cannot be lost.
 */
export interface AdmittedPod {
  /** Its name, or its prefix when the API server has yet to generate one: the same in every round of admission. */
  name: string
  annotations: Readonly<Record<string, string>>
  serviceAccountName: string
  hostNetwork: boolean
  /** The pod sets the user of all its containers. */
  runsAsUser: boolean
  initContainers: readonly AdmittedContainer[] | undefined
  containers: readonly AdmittedContainer[] | undefined
  volumes: readonly AdmittedVolume[] | undefined
}

export interface AdmittedContainer {
  name: string
  env: readonly (Pick<EnvVar, 'name'> & { valueFrom?: unknown })[] | undefined
  volumeMounts: readonly VolumeMount[] | undefined
}

export interface AdmittedVolume {
  name: string
  [source: string]: unknown
}

/** Reads the pod of an admission request. Throws {@link AdmissionDenied} with everything that has the wrong shape. */
export function parsePod(object: unknown): AdmittedPod {
  if (object === undefined || object === null) throw new AdmissionDenied('there is no content to decode')
  const problems = new Problems()
  const pod = recordAt(object, '', problems)
  const metadata = recordAt(pod.metadata ?? {}, 'metadata', problems)
  const spec = recordAt(pod.spec ?? {}, 'spec', problems)
  const lists = {
    initContainers: containersAt(spec.initContainers, 'spec.initContainers', problems),
    containers: containersAt(spec.containers, 'spec.containers', problems),
    volumes: namedListAt(spec.volumes, 'spec.volumes', problems),
  }
  const annotations = recordAt(metadata.annotations ?? {}, 'metadata.annotations', problems)
  for (const [key, value] of Object.entries(annotations)) textAt(value, `metadata.annotations[${key}]`, problems)
  const name = textAt(metadata.name, 'metadata.name', problems)
  const prefix = textAt(metadata.generateName, 'metadata.generateName', problems)
  const serviceAccountName = textAt(spec.serviceAccountName, 'spec.serviceAccountName', problems)
  if (problems.count > 0) {
    throw new AdmissionDenied(`cannot decode the pod: ${problems.list.map(formatProblem).join('; ')}`)
  }
  return {
    name: name === '' ? `${prefix} (prefix)` : name,
    annotations: annotations as Record<string, string>,
    serviceAccountName: serviceAccountName === '' ? 'default' : serviceAccountName,
    hostNetwork: spec.hostNetwork === true,
    runsAsUser: typeof recordOf(spec.securityContext)?.runAsUser === 'number',
    ...lists,
  }
}

function containersAt(value: unknown, path: string, problems: Problems): AdmittedContainer[] | undefined {
  return namedListAt(value, path, problems)?.map((container, i) => ({
    name: container.name,
    env: namedListAt(container.env, `${path}[${i}].env`, problems),
    volumeMounts: mountsAt(container.volumeMounts, `${path}[${i}].volumeMounts`, problems),
  }))
}

function mountsAt(value: unknown, path: string, problems: Problems): VolumeMount[] | undefined {
  return namedListAt(value, path, problems)?.map((mount, i) => ({
    ...mount,
    mountPath: textAt(mount.mountPath, `${path}[${i}].mountPath`, problems),
  }))
}

function namedListAt(
  value: unknown,
  path: string,
  problems: Problems,
): (Record<string, unknown> & { name: string })[] | undefined {
  if (value === undefined || value === null) return undefined
  const list = listOf(value)
  if (list === undefined) {
    problems.add(path, `found ${typeof value}, expected a list`)
    return undefined
  }
  return list.map((item, i) => {
    const record = recordAt(item, `${path}[${i}]`, problems)
    return { ...record, name: textAt(record.name, `${path}[${i}].name`, problems) }
  })
}

function recordAt(value: unknown, path: string, problems: Problems): Record<string, unknown> {
  const record = recordOf(value)
  if (record === undefined) problems.add(path, `found ${value === null ? 'null' : typeof value}, expected an object`)
  return record ?? {}
}

function textAt(value: unknown, path: string, problems: Problems): string {
  if (value === undefined || value === null) return ''
  if (typeof value === 'string') return value
  problems.add(path, `found ${typeof value}, expected text`)
  return ''
}

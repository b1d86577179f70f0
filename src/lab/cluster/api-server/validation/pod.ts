import { isDeepStrictEqual } from 'node:util'
import { valueAt } from '#lib/formats'
import type { Causes } from '../api-error.ts'
import { type ApiObject, isRecord, mapAt, recordsAt, textAt } from '../api-object.ts'
import { type PodParts, validateContainer } from './container.ts'
import { validateLabels } from './metadata.ts'
import { checkName, labelName, subdomainName } from './names.ts'
import { checkRange } from './numbers.ts'
import { validateVolume } from './volume.ts'

/** The spec of a pod, or of the pod in a template. @param path of the spec. */
export function validatePodSpec(causes: Causes, spec: unknown, path: string): void {
  validateVolumes(causes, spec, path)
  validateContainers(causes, spec, path)
  validateChoices(causes, spec, path)
  const deadline = valueAt(spec, 'activeDeadlineSeconds')
  checkRange(causes, `${path}.activeDeadlineSeconds`, deadline, 1, 2 ** 31 - 1)
  validateLabels(causes, `${path}.nodeSelector`, mapAt(spec, 'nodeSelector'))
  for (const [field, rule] of [
    ['serviceAccountName', subdomainName],
    ['nodeName', subdomainName],
    ['hostname', labelName],
    ['subdomain', labelName],
    ['priorityClassName', subdomainName],
  ] as const) {
    const text = textAt(spec, field)
    if (text !== '') checkName(causes, `${path}.${field}`, text, rule)
  }
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup']) {
    checkRange(causes, `${path}.securityContext.${field}`, valueAt(spec, 'securityContext', field), 0, 2 ** 31 - 1)
  }
}

function validateVolumes(causes: Causes, spec: unknown, path: string): void {
  const seen = new Set<string>()
  for (const [index, volume] of recordsAt(spec, 'volumes').entries()) {
    const field = `${path}.volumes[${index}]`
    const name = textAt(volume, 'name')
    if (name === '') causes.required(`${field}.name`)
    else checkName(causes, `${field}.name`, name, labelName)
    if (seen.has(name)) causes.duplicate(`${field}.name`, name)
    seen.add(name)
    validateVolume(causes, volume, field)
  }
}

function validateContainers(causes: Causes, spec: unknown, path: string): void {
  const parts: PodParts = {
    volumes: new Set(recordsAt(spec, 'volumes').map((volume) => textAt(volume, 'name'))),
    containerNames: new Set(),
    hostNetwork: valueAt(spec, 'hostNetwork') === true,
  }
  const containers = recordsAt(spec, 'containers')
  if (containers.length === 0) causes.required(`${path}.containers`)
  for (const [index, container] of containers.entries()) {
    validateContainer(causes, container, `${path}.containers[${index}]`, parts)
  }
  for (const [index, container] of recordsAt(spec, 'initContainers').entries()) {
    const field = `${path}.initContainers[${index}]`
    validateContainer(causes, container, field, parts)
    if (container.restartPolicy === 'Always') continue
    for (const probe of ['livenessProbe', 'readinessProbe', 'startupProbe', 'lifecycle']) {
      if (container[probe] === undefined) continue
      causes.forbidden(`${field}.${probe}`, 'may not be set for init containers without restartPolicy=Always')
    }
  }
}

const choices: Record<string, readonly string[]> = {
  restartPolicy: ['Always', 'OnFailure', 'Never'],
  dnsPolicy: ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'],
}

function validateChoices(causes: Causes, spec: unknown, path: string): void {
  for (const [field, allowed] of Object.entries(choices)) {
    const found = textAt(spec, field)
    if (!allowed.includes(found)) causes.unsupported(`${path}.${field}`, found, allowed)
  }
}

/** What a pod may not have when it is created. */
export function validateNewPod(causes: Causes, { spec }: ApiObject): void {
  if (recordsAt(spec, 'ephemeralContainers').length > 0) {
    causes.forbidden('spec.ephemeralContainers', 'cannot be set on create')
  }
}

/** A pod keeps its spec, except for images, a few numbers, and scheduling gates, which can be removed. */
export function validatePodUpdate(causes: Causes, pod: ApiObject, previous: ApiObject): void {
  const gates = new Set(recordsAt(previous, 'spec', 'schedulingGates').map(({ name }) => name))
  for (const { name } of recordsAt(pod, 'spec', 'schedulingGates')) {
    const text = `only deletion is allowed, but found new scheduling gate '${name}'`
    if (!gates.has(name)) causes.forbidden('spec.schedulingGates', text)
  }
  if (isDeepStrictEqual(fixedPart(pod), fixedPart(previous))) return
  causes.forbidden(
    'spec',
    'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
      '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
  )
}

function fixedPart(pod: ApiObject): unknown {
  const spec = structuredClone(pod.spec)
  if (!isRecord(spec)) return spec
  const changeable = ['activeDeadlineSeconds', 'schedulingGates', 'terminationGracePeriodSeconds', 'tolerations']
  for (const field of changeable) delete spec[field]
  for (const container of [...recordsAt(spec, 'initContainers'), ...recordsAt(spec, 'containers')]) {
    delete container.image
  }
  return spec
}

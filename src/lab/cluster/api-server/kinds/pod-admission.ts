import { isDeepStrictEqual } from 'node:util'
import { valueAt } from '#lib/formats'
import { type Cause, forbidden, forbiddenField, required, unsupportedValue } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, setDefaults, textAt } from '../api-object.ts'
import { randomSuffix } from '../objects/random-suffix.ts'
import type { Lookup } from './resource-row.ts'

const tokenMountPath = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Defaults of a pod's spec, and of the one in a template. */
export function defaultPodSpec(spec: unknown): void {
  if (!isRecord(spec)) return
  setDefaults(spec, {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    schedulerName: 'default-scheduler',
    securityContext: {},
  })
  const account = spec.serviceAccountName ?? spec.serviceAccount
  if (account !== undefined) spec.serviceAccountName = spec.serviceAccount = account
  for (const container of [...recordsAt(spec, 'initContainers'), ...recordsAt(spec, 'containers')])
    defaultContainer(container)
  for (const volume of recordsAt(spec, 'volumes')) defaultVolume(volume)
}

function defaultContainer(container: Record<string, unknown>): void {
  const image = textAt(container, 'image')
  const floating = !/[:@][^/]+$/.test(image) || image.endsWith(':latest')
  setDefaults(container, {
    imagePullPolicy: floating ? 'Always' : 'IfNotPresent',
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  })
  for (const port of recordsAt(container, 'ports')) port.protocol ??= 'TCP'
  for (const variable of recordsAt(container, 'env')) {
    const fieldRef = valueAt(variable, 'valueFrom', 'fieldRef')
    if (isRecord(fieldRef)) fieldRef.apiVersion ??= 'v1'
  }
  for (const name of ['livenessProbe', 'readinessProbe', 'startupProbe']) {
    const probe = container[name]
    if (!isRecord(probe)) continue
    setDefaults(probe, { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 })
    if (isRecord(probe.httpGet)) probe.httpGet.scheme ??= 'HTTP'
  }
}

function defaultVolume(volume: Record<string, unknown>): void {
  if (Object.keys(volume).length === 1) volume.emptyDir = {}
  for (const source of ['configMap', 'secret', 'projected', 'downwardAPI']) {
    const found = volume[source]
    if (isRecord(found)) found.defaultMode ??= 0o644
  }
  if (isRecord(volume.hostPath)) volume.hostPath.type ??= ''
  for (const token of recordsAt(volume, 'projected', 'sources').map((source) => source.serviceAccountToken)) {
    if (isRecord(token)) token.expirationSeconds ??= 3600
  }
}

/** Gives a new pod its service account, the volume with the account's token, and its first status. */
export function admitPod(pod: ApiObject, lookup: Lookup): void {
  const spec = pod.spec
  if (!isRecord(spec)) return
  spec.serviceAccountName ??= 'default'
  spec.serviceAccount = spec.serviceAccountName
  setDefaults(spec, { enableServiceLinks: true, preemptionPolicy: 'PreemptLowerPriority', priority: 0 })
  pod.status = { phase: 'Pending' }
  const { namespace = 'default', name } = pod.metadata
  const account = lookup.get('serviceaccounts', namespace, textAt(spec, 'serviceAccountName'))
  if (account === undefined) {
    const wanted = `${namespace}/${textAt(spec, 'serviceAccountName')}`
    const why = `error looking up service account ${wanted}: serviceaccount "${textAt(spec, 'serviceAccountName')}" not found`
    throw forbidden({ group: '', kind: 'Pod', plural: 'pods' }, name, why)
  }
  const automount = spec.automountServiceAccountToken ?? account.automountServiceAccountToken ?? true
  if (automount === true) mountToken(spec)
}

/** https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#bound-service-account-tokens */
function mountToken(spec: Record<string, unknown>): void {
  const missing = [...recordsAt(spec, 'initContainers'), ...recordsAt(spec, 'containers')].filter(
    (container) => !recordsAt(container, 'volumeMounts').some(({ mountPath }) => mountPath === tokenMountPath),
  )
  if (missing.length === 0) return
  const name = `kube-api-access-${randomSuffix()}`
  for (const container of missing) {
    const mount = { name, readOnly: true, mountPath: tokenMountPath }
    container.volumeMounts = [...recordsAt(container, 'volumeMounts'), mount]
  }
  const fieldRef = { apiVersion: 'v1', fieldPath: 'metadata.namespace' }
  const sources = [
    { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
    { downwardAPI: { items: [{ path: 'namespace', fieldRef }] } },
  ]
  spec.volumes = [...recordsAt(spec, 'volumes'), { name, projected: { defaultMode: 0o644, sources } }]
}

/** The mistakes in a pod's spec that would else show up late, or as something else. */
export function validatePodSpec(spec: unknown, path: string): Cause[] {
  const containers = recordsAt(spec, 'containers')
  if (containers.length === 0) return [required(`${path}.containers`)]
  const volumes = new Set(recordsAt(spec, 'volumes').map((volume) => textAt(volume, 'name')))
  const restart = textAt(spec, 'restartPolicy')
  const problems: Cause[] = []
  const policies = ['Always', 'OnFailure', 'Never']
  if (!policies.includes(restart)) problems.push(unsupportedValue(`${path}.restartPolicy`, restart, policies))
  const names = new Set<string>()
  for (const group of ['initContainers', 'containers']) {
    for (const [index, container] of recordsAt(spec, group).entries()) {
      problems.push(...validateContainer(container, `${path}.${group}[${index}]`, volumes, names))
    }
  }
  return problems
}

function validateContainer(
  container: Record<string, unknown>,
  path: string,
  volumes: ReadonlySet<string>,
  names: Set<string>,
): Cause[] {
  const problems: Cause[] = []
  const name = textAt(container, 'name')
  for (const field of ['name', 'image']) {
    if (textAt(container, field) === '') problems.push(required(`${path}.${field}`))
  }
  if (names.has(name)) {
    problems.push({ reason: 'FieldValueInvalid', field: `${path}.name`, message: `Duplicate value: "${name}"` })
  }
  names.add(name)
  for (const [index, mount] of recordsAt(container, 'volumeMounts').entries()) {
    const volume = textAt(mount, 'name')
    if (volumes.has(volume)) continue
    const field = `${path}.volumeMounts[${index}].name`
    problems.push({ reason: 'FieldValueNotFound', field, message: `Not found: "${volume}"` })
  }
  return problems
}

/** A pod keeps its spec, but for images and a few numbers. */
export function validatePodUpdate(pod: ApiObject, previous: ApiObject): Cause[] {
  if (isDeepStrictEqual(fixedPart(pod), fixedPart(previous))) return []
  const why =
    'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
    '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'
  return [forbiddenField('spec', why)]
}

function fixedPart(pod: ApiObject): unknown {
  const spec = structuredClone(pod.spec)
  if (!isRecord(spec)) return spec
  for (const field of ['activeDeadlineSeconds', 'tolerations', 'terminationGracePeriodSeconds']) delete spec[field]
  for (const container of [...recordsAt(spec, 'initContainers'), ...recordsAt(spec, 'containers')])
    delete container.image
  return spec
}

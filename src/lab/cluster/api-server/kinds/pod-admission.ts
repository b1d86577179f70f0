import { valueAt } from '#lib/formats'
import { forbidden } from '../api-error.ts'
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

/** Sets the service account of a new pod, the volume with the account's token, and its first status. */
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

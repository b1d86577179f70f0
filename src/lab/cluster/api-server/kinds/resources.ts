import { isDeepStrictEqual } from 'node:util'
import { valueAt } from '#lib/formats'
import { prepareWebhooks, validateWebhooks } from '../admission/mutating-webhooks.ts'
import { type Cause, forbiddenField, invalidValue, required } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, setDefaults, textAt } from '../api-object.ts'
import { selectorMatches } from '../objects/selectors.ts'
import { builtInFields } from './built-in-fields.ts'
import { columns } from './columns.ts'
import { acceptDefinition, validateDefinition } from './custom-resource.ts'
import { admitPod, defaultPodSpec, validatePodSpec, validatePodUpdate } from './pod-admission.ts'
import type { Lookup, ResourceRow, Subresource } from './resource-row.ts'
import { type NameStyle, requireTexts, undecodable, validateMetadata } from './validate-metadata.ts'

interface RowOptions {
  short?: readonly string[]
  categories?: readonly string[]
  scope?: 'namespaced' | 'cluster'
  names?: NameStyle
  subresources?: readonly Subresource[]
  generation?: boolean
  fields?: readonly string[]
  prepare?(draft: ApiObject): void
  admit?(draft: ApiObject, lookup: Lookup): void
  validate?(object: ApiObject, previous: ApiObject | undefined): Cause[]
}

function row(apiVersion: string, kind: string, plural: string, options: RowOptions = {}): ResourceRow {
  const slash = apiVersion.indexOf('/')
  const { prepare, admit, validate, names = 'subdomain' } = options
  const fieldSchema = builtInFields[plural] ?? { 'x-kubernetes-preserve-unknown-fields': true }
  return {
    builtIn: true,
    generation: options.generation ?? false,
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    versions: [apiVersion.slice(slash + 1)],
    kind,
    plural,
    singular: kind.toLowerCase(),
    shortNames: options.short ?? [],
    categories: options.categories ?? [],
    namespaced: options.scope !== 'cluster',
    subresources: options.subresources ?? [],
    columns: () => columns[plural] ?? [],
    fields: options.fields ?? [],
    schema: () => fieldSchema,
    prepare: (draft) => prepare?.(draft),
    admit: (draft, lookup) => admit?.(draft, lookup),
    validate: (object, _version, previous) => [
      ...validateMetadata(object, names),
      ...(validate?.(object, previous) ?? []),
    ],
    warnings: () => [],
  }
}

/** The built-in kinds. A further one is a row here, its columns in `columns.ts` and its fields in `built-in-fields.ts`. */
export const builtInRows: readonly ResourceRow[] = [
  row('v1', 'Namespace', 'namespaces', {
    short: ['ns'],
    scope: 'cluster',
    names: 'label',
    subresources: ['status'],
    fields: ['status.phase'],
    prepare: prepareNamespace,
  }),
  row('v1', 'Node', 'nodes', {
    short: ['no'],
    scope: 'cluster',
    subresources: ['status'],
    fields: ['spec.unschedulable'],
  }),
  row('v1', 'Pod', 'pods', {
    short: ['po'],
    categories: ['all'],
    subresources: ['status', 'log', 'exec'],
    generation: true,
    fields: ['spec.nodeName', 'spec.restartPolicy', 'spec.serviceAccountName', 'status.phase', 'status.podIP'],
    prepare: (pod) => defaultPodSpec(pod.spec),
    admit: admitPod,
    validate: (pod, previous) => [
      ...validatePodSpec(pod.spec, 'spec'),
      ...(previous === undefined ? [] : validatePodUpdate(pod, previous)),
    ],
  }),
  row('v1', 'Secret', 'secrets', { fields: ['type'], prepare: prepareSecret, validate: validateImmutable }),
  row('v1', 'ConfigMap', 'configmaps', { short: ['cm'], prepare: prepareConfigMap, validate: validateImmutable }),
  row('v1', 'ServiceAccount', 'serviceaccounts', { short: ['sa'], subresources: ['token'] }),
  // Names for webhooks only: they carry no traffic.
  row('v1', 'Service', 'services', { short: ['svc'], names: 'label', prepare: prepareService }),
  row('v1', 'Event', 'events', {
    short: ['ev'],
    fields: [
      ...['kind', 'namespace', 'name', 'uid', 'apiVersion', 'resourceVersion', 'fieldPath'].map(
        (field) => `involvedObject.${field}`,
      ),
      'reason',
      'reportingComponent',
      'source',
      'type',
    ],
  }),
  row('apps/v1', 'DaemonSet', 'daemonsets', {
    short: ['ds'],
    categories: ['all'],
    subresources: ['status'],
    generation: true,
    prepare: prepareWorkload({
      revisionHistoryLimit: 10,
      updateStrategy: rollingUpdate({ maxSurge: 0, maxUnavailable: 1 }),
    }),
    validate: validateWorkload,
  }),
  row('apps/v1', 'Deployment', 'deployments', {
    short: ['deploy'],
    categories: ['all'],
    subresources: ['status'],
    generation: true,
    prepare: prepareWorkload({
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: rollingUpdate({ maxSurge: '25%', maxUnavailable: '25%' }),
    }),
    validate: validateWorkload,
  }),
  row('apps/v1', 'ReplicaSet', 'replicasets', {
    short: ['rs'],
    categories: ['all'],
    subresources: ['status'],
    generation: true,
    prepare: prepareWorkload({ replicas: 1 }),
    validate: validateWorkload,
  }),
  row('rbac.authorization.k8s.io/v1', 'Role', 'roles', { names: 'path' }),
  row('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', { scope: 'cluster', names: 'path' }),
  row('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings', {
    names: 'path',
    prepare: prepareBinding,
    validate: validateBinding,
  }),
  row('rbac.authorization.k8s.io/v1', 'ClusterRoleBinding', 'clusterrolebindings', {
    scope: 'cluster',
    names: 'path',
    prepare: prepareBinding,
    validate: validateBinding,
  }),
  row('admissionregistration.k8s.io/v1', 'MutatingWebhookConfiguration', 'mutatingwebhookconfigurations', {
    scope: 'cluster',
    generation: true,
    prepare: prepareWebhooks,
    validate: validateWebhooks,
  }),
  // Kept, and never asked: nothing evicts pods here.
  row('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets', { short: ['pdb'], generation: true }),
  row('storage.k8s.io/v1', 'CSIDriver', 'csidrivers', { scope: 'cluster', prepare: prepareCsiDriver }),
  row('storage.k8s.io/v1', 'CSINode', 'csinodes', { scope: 'cluster' }),
  row('coordination.k8s.io/v1', 'Lease', 'leases'),
  row('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', {
    short: ['crd', 'crds'],
    scope: 'cluster',
    subresources: ['status'],
    generation: true,
    prepare: acceptDefinition,
    validate: validateDefinition,
  }),
]

function specOf(draft: ApiObject): Record<string, unknown> {
  const spec = draft.spec
  if (isRecord(spec)) return spec
  const made = {}
  draft.spec = made
  return made
}

function prepareNamespace(namespace: ApiObject): void {
  const { metadata } = namespace
  metadata.labels = { ...metadata.labels, 'kubernetes.io/metadata.name': metadata.name }
  specOf(namespace).finalizers ??= ['kubernetes']
  namespace.status = { phase: metadata.deletionTimestamp === undefined ? 'Active' : 'Terminating' }
}

function prepareSecret(secret: ApiObject): void {
  requireTexts(secret, 'Secret.data', secret.data)
  requireTexts(secret, 'Secret.stringData', secret.stringData)
  secret.type ??= 'Opaque'
  const { data, stringData } = secret
  delete secret.stringData
  if (isRecord(stringData)) {
    const encoded = Object.entries(stringData).map(([key, value]) => [
      key,
      Buffer.from(String(value)).toString('base64'),
    ])
    secret.data = { ...(isRecord(data) ? data : {}), ...Object.fromEntries(encoded) }
  }
  requireBase64(secret, secret.data)
}

function prepareConfigMap(configMap: ApiObject): void {
  requireTexts(configMap, 'ConfigMap.data', configMap.data)
  requireBase64(configMap, configMap.binaryData)
}

function requireBase64(object: ApiObject, map: unknown): void {
  for (const value of Object.values(isRecord(map) ? map : {})) {
    const wrongAt = String(value).search(/[^A-Za-z0-9+/=]|=(?=[^=])|=={2,}$/)
    if (wrongAt >= 0 || String(value).length % 4 !== 0) {
      throw undecodable(object, `illegal base64 data at input byte ${Math.max(wrongAt, 0)}`)
    }
  }
}

/** https://kubernetes.io/docs/concepts/configuration/secret/#secret-immutable */
function validateImmutable(object: ApiObject, previous: ApiObject | undefined): Cause[] {
  if (previous?.immutable !== true) return []
  const same = ['data', 'binaryData', 'immutable'].every((field) => isDeepStrictEqual(object[field], previous[field]))
  return same ? [] : [forbiddenField('data', 'field is immutable when `immutable` is set')]
}

function rollingUpdate(limits: object) {
  return { type: 'RollingUpdate', rollingUpdate: limits }
}

function prepareWorkload(defaults: Record<string, unknown>): (draft: ApiObject) => void {
  return (draft) => {
    const spec = specOf(draft)
    setDefaults(spec, defaults)
    defaultPodSpec(valueAt(spec, 'template', 'spec'))
  }
}

function validateWorkload(object: ApiObject, previous: ApiObject | undefined): Cause[] {
  const selector = valueAt(object, 'spec', 'selector')
  const labels = valueAt(object, 'spec', 'template', 'metadata', 'labels')
  const problems = validatePodSpec(valueAt(object, 'spec', 'template', 'spec'), 'spec.template.spec')
  if (!isRecord(selector) || Object.keys(selector).length === 0) {
    problems.push(required('spec.selector'))
  } else if (!selectorMatches(selector, (labels ?? {}) as Record<string, string>)) {
    const why = '`selector` does not match template `labels`'
    problems.push(invalidValue('spec.template.metadata.labels', labels ?? {}, why))
  }
  const before = valueAt(previous, 'spec', 'selector')
  if (before !== undefined && !isDeepStrictEqual(before, selector)) {
    problems.push(invalidValue('spec.selector', selector, 'field is immutable'))
  }
  return problems
}

/** https://kubernetes.io/docs/reference/kubernetes-api/service-resources/service-v1/ */
function prepareService(service: ApiObject): void {
  setDefaults(specOf(service), { type: 'ClusterIP', clusterIP: 'None', sessionAffinity: 'None' })
  for (const port of recordsAt(service, 'spec', 'ports')) {
    setDefaults(port, { protocol: 'TCP', targetPort: port.port })
  }
}

function prepareBinding(binding: ApiObject): void {
  const group = 'rbac.authorization.k8s.io'
  const { roleRef } = binding
  if (isRecord(roleRef)) roleRef.apiGroup ??= group
  for (const subject of recordsAt(binding, 'subjects'))
    if (subject.kind !== 'ServiceAccount') subject.apiGroup ??= group
}

function validateBinding(binding: ApiObject, previous: ApiObject | undefined): Cause[] {
  const { roleRef } = binding
  if (textAt(roleRef, 'name') === '') return [required('roleRef.name')]
  if (previous === undefined || textAt(previous, 'roleRef', 'name') === textAt(roleRef, 'name')) return []
  return [invalidValue('roleRef', roleRef, 'cannot change roleRef')]
}

function prepareCsiDriver(driver: ApiObject): void {
  setDefaults(specOf(driver), {
    attachRequired: true,
    fsGroupPolicy: 'ReadWriteOnceWithFSType',
    podInfoOnMount: false,
    requiresRepublish: false,
    seLinuxMount: false,
    storageCapacity: false,
    volumeLifecycleModes: ['Persistent'],
  })
}

import type { Operation } from '../admission/admission-request.ts'
import {
  bindingSpecFields,
  policySpecFields,
  preparePolicy,
  prepareBinding as preparePolicyBinding,
  validatePolicy,
  validateBinding as validatePolicyBinding,
} from '../admission/policy-fields.ts'
import { prepareWebhooks, validateWebhooks } from '../admission/webhooks.ts'
import type { Causes } from '../api-error.ts'
import { type ApiObject, isRecord, recordsAt, setDefaults, textAt, textsAt } from '../api-object.ts'
import { validateDefinition } from '../validation/definition.ts'
import { pathSegmentName } from '../validation/names.ts'
import { validateLease } from '../validation/small-kinds.ts'
import { ageColumn, at, bindingColumns, column, createdColumn, flag, nameColumn, size, text } from './columns.ts'
import { acceptDefinition } from './custom-resource.ts'
import { defineKind, specOf } from './define-kind.ts'
import { definitionSpecFields } from './definition-fields.ts'
import { fields, labelSelector, list } from './fields.ts'
import type { ResourceRow } from './resource-row.ts'

const rbac = 'rbac.authorization.k8s.io/v1'
const rules = list(
  fields(
    'PolicyRule',
    'apiGroups:[]string nonResourceURLs:[]string resourceNames:[]string resources:[]string verbs:[]string',
  ),
)
const role = { names: pathSegmentName, columns: [nameColumn, createdColumn], children: { rules } } as const
const binding = {
  names: pathSegmentName,
  columns: bindingColumns,
  fields: '',
  children: {
    roleRef: fields('RoleRef', 'apiGroup kind name'),
    subjects: list(fields('Subject', 'apiGroup kind name namespace')),
  },
  prepare: prepareBinding,
  validate: validateBinding,
} as const

/** The kinds of all groups besides the core and `apps`. */
export const otherKinds: readonly ResourceRow[] = [
  defineKind(rbac, 'Role', 'roles', { ...role, fields: '' }),
  defineKind(rbac, 'ClusterRole', 'clusterroles', { ...role, scope: 'cluster', fields: 'aggregationRule:any' }),
  defineKind(rbac, 'RoleBinding', 'rolebindings', binding),
  defineKind(rbac, 'ClusterRoleBinding', 'clusterrolebindings', { ...binding, scope: 'cluster' }),
  webhookConfiguration('MutatingWebhookConfiguration', 'mutatingwebhookconfigurations', ['CREATE']),
  webhookConfiguration('ValidatingWebhookConfiguration', 'validatingwebhookconfigurations', [
    'CREATE',
    'UPDATE',
    'DELETE',
  ]),
  defineKind('admissionregistration.k8s.io/v1', 'ValidatingAdmissionPolicy', 'validatingadmissionpolicies', {
    scope: 'cluster',
    subresources: ['status'],
    generation: true,
    columns: [
      nameColumn,
      size('Validations', 'spec.validations'),
      column('ParamKind', (object) => at(object, 'spec.paramKind.kind') ?? '<unset>'),
      ageColumn,
    ],
    fields: 'status:any',
    children: { spec: policySpecFields },
    prepare: preparePolicy,
    validate: validatePolicy,
  }),
  defineKind(
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicyBinding',
    'validatingadmissionpolicybindings',
    {
      scope: 'cluster',
      generation: true,
      columns: [
        nameColumn,
        text('PolicyName', 'spec.policyName'),
        column('ParamRef', (object) => at(object, 'spec.paramRef.name') ?? '<unset>'),
        ageColumn,
      ],
      fields: '',
      children: { spec: bindingSpecFields },
      prepare: preparePolicyBinding,
      validate: validatePolicyBinding,
    },
  ),
  // Stored, and never enforced: nothing evicts pods here.
  defineKind('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets', {
    short: ['pdb'],
    generation: true,
    columns: [
      nameColumn,
      column('Min Available', (object) => at(object, 'spec.minAvailable') ?? 'N/A'),
      column('Max Unavailable', (object) => at(object, 'spec.maxUnavailable') ?? 'N/A'),
      column('Allowed Disruptions', () => 0, { type: 'integer' }),
      ageColumn,
    ],
    fields: 'status:any',
    children: {
      spec: fields('PodDisruptionBudgetSpec', 'maxUnavailable:intstr minAvailable:intstr unhealthyPodEvictionPolicy', {
        selector: labelSelector,
      }),
    },
  }),
  defineKind('storage.k8s.io/v1', 'CSIDriver', 'csidrivers', {
    scope: 'cluster',
    columns: [
      nameColumn,
      flag('AttachRequired', 'spec.attachRequired'),
      flag('PodInfoOnMount', 'spec.podInfoOnMount'),
      flag('StorageCapacity', 'spec.storageCapacity'),
      column('TokenRequests', (driver) => {
        const audiences = recordsAt(driver, 'spec', 'tokenRequests').map(({ audience }) => audience)
        return audiences.length === 0 ? '<unset>' : audiences.join(',')
      }),
      flag('RequiresRepublish', 'spec.requiresRepublish'),
      column('Modes', (driver) => textsAt(driver, 'spec', 'volumeLifecycleModes').join(',') || '<none>'),
      ageColumn,
    ],
    fields: '',
    children: {
      spec: fields(
        'CSIDriverSpec',
        `attachRequired:bool fsGroupPolicy nodeAllocatableUpdatePeriodSeconds:int64 podInfoOnMount:bool
         requiresRepublish:bool seLinuxMount:bool serviceAccountTokenInSecrets:bool storageCapacity:bool
         volumeLifecycleModes:[]v1.VolumeLifecycleMode`,
        { tokenRequests: list(fields('TokenRequest', 'audience expirationSeconds:int64')) },
      ),
    },
    prepare: prepareCsiDriver,
  }),
  defineKind('storage.k8s.io/v1', 'CSINode', 'csinodes', {
    scope: 'cluster',
    columns: [nameColumn, size('Drivers', 'spec.drivers'), ageColumn],
    fields: '',
    children: {
      spec: fields('CSINodeSpec', '', {
        drivers: list(fields('CSINodeDriver', 'allocatable:any name nodeID topologyKeys:any')),
      }),
    },
  }),
  defineKind('coordination.k8s.io/v1', 'Lease', 'leases', {
    columns: [nameColumn, text('Holder', 'spec.holderIdentity'), ageColumn],
    fields: '',
    children: {
      spec: fields(
        'LeaseSpec',
        `acquireTime:microtime holderIdentity leaseDurationSeconds:int32 leaseTransitions:int32 preferredHolder
         renewTime:microtime strategy:v1.CoordinatedLeaseStrategy`,
      ),
    },
    validate: validateLease,
  }),
  defineKind('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', {
    short: ['crd', 'crds'],
    scope: 'cluster',
    subresources: ['status'],
    generation: true,
    columns: [nameColumn, createdColumn],
    fields: 'status:any',
    children: { spec: definitionSpecFields },
    prepare: acceptDefinition,
    validate: validateDefinition,
  }),
]

/** @param operations at which the local cluster calls webhooks of this kind. */
function webhookConfiguration(kind: string, plural: string, operations: readonly Operation[]): ResourceRow {
  return defineKind('admissionregistration.k8s.io/v1', kind, plural, {
    scope: 'cluster',
    generation: true,
    columns: [nameColumn, size('Webhooks', 'webhooks'), ageColumn],
    fields: '',
    children: { webhooks: list(webhookFields()) },
    prepare: prepareWebhooks,
    validate: (causes, configuration) => validateWebhooks(causes, configuration, operations),
  })
}

function webhookFields() {
  return fields(
    'MutatingWebhook',
    `admissionReviewVersions:[]string failurePolicy matchPolicy name reinvocationPolicy sideEffects timeoutSeconds:int32`,
    {
      clientConfig: fields('WebhookClientConfig', 'caBundle:bytes url', {
        service: fields('ServiceReference', 'name namespace path port:int32'),
      }),
      matchConditions: list(fields('MatchCondition', 'expression name')),
      namespaceSelector: labelSelector,
      objectSelector: labelSelector,
      rules: list(
        fields(
          'RuleWithOperations',
          'apiGroups:[]string apiVersions:[]string operations:[]v1.OperationType resources:[]string scope',
        ),
      ),
    },
  )
}

function prepareBinding(object: ApiObject): void {
  const group = 'rbac.authorization.k8s.io'
  const { roleRef } = object
  if (isRecord(roleRef)) roleRef.apiGroup ??= group
  for (const subject of recordsAt(object, 'subjects')) {
    if (subject.kind !== 'ServiceAccount') subject.apiGroup ??= group
  }
}

function validateBinding(causes: Causes, { roleRef }: ApiObject, previous: ApiObject | undefined): void {
  if (textAt(roleRef, 'name') === '') causes.required('roleRef.name')
  else if (previous !== undefined && textAt(previous, 'roleRef', 'name') !== textAt(roleRef, 'name')) {
    causes.invalid('roleRef', roleRef, 'cannot change roleRef')
  }
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

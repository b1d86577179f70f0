import { objectNameForm } from './object-name.ts'
import type {
  ConfigMap,
  CsiDriver,
  CsiNode,
  DaemonSet,
  KubeEvent,
  KubeObject,
  Lease,
  Namespace,
  Node,
  Pod,
  Secret,
  SecretProviderClass,
  SecretProviderClassPodStatus,
  ServiceAccount,
  UntypedObject,
} from './objects.ts'
import type {
  AzureAssignedIdentity,
  AzureIdentity,
  AzureIdentityBinding,
  AzurePodIdentityException,
} from './pod-identity-objects.ts'
import type { SecretSync } from './secret-sync-objects.ts'

/** Where objects of a kind live in the API. `T` is the object's type. */
export interface Resource<T extends KubeObject = UntypedObject> {
  /** Empty for the core group. */
  group: string
  version: string
  plural: string
  kind: string
  namespaced: boolean
  /** Never set: it carries `T`. */
  readonly object?: T
}

function resource<T extends KubeObject>(
  apiVersion: string,
  kind: string,
  plural: string,
  scope: 'namespaced' | 'cluster' = 'namespaced',
): Resource<T> {
  const slash = apiVersion.indexOf('/')
  return {
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    version: apiVersion.slice(slash + 1),
    kind,
    plural,
    namespaced: scope === 'namespaced',
  }
}

export const resources = {
  pods: resource<Pod>('v1', 'Pod', 'pods'),
  namespaces: resource<Namespace>('v1', 'Namespace', 'namespaces', 'cluster'),
  nodes: resource<Node>('v1', 'Node', 'nodes', 'cluster'),
  secrets: resource<Secret>('v1', 'Secret', 'secrets'),
  configMaps: resource<ConfigMap>('v1', 'ConfigMap', 'configmaps'),
  serviceAccounts: resource<ServiceAccount>('v1', 'ServiceAccount', 'serviceaccounts'),
  services: resource<UntypedObject>('v1', 'Service', 'services'),
  events: resource<KubeEvent>('v1', 'Event', 'events'),
  daemonSets: resource<DaemonSet>('apps/v1', 'DaemonSet', 'daemonsets'),
  deployments: resource<UntypedObject>('apps/v1', 'Deployment', 'deployments'),
  statefulSets: resource<UntypedObject>('apps/v1', 'StatefulSet', 'statefulsets'),
  replicaSets: resource<UntypedObject>('apps/v1', 'ReplicaSet', 'replicasets'),
  replicationControllers: resource<UntypedObject>('v1', 'ReplicationController', 'replicationcontrollers'),
  jobs: resource<UntypedObject>('batch/v1', 'Job', 'jobs'),
  cronJobs: resource<UntypedObject>('batch/v1', 'CronJob', 'cronjobs'),
  /** https://argoproj.github.io/argo-rollouts/features/specification/ */
  rollouts: resource<UntypedObject>('argoproj.io/v1alpha1', 'Rollout', 'rollouts'),
  mutatingWebhookConfigurations: resource<UntypedObject>(
    'admissionregistration.k8s.io/v1',
    'MutatingWebhookConfiguration',
    'mutatingwebhookconfigurations',
    'cluster',
  ),
  podDisruptionBudgets: resource<UntypedObject>('policy/v1', 'PodDisruptionBudget', 'poddisruptionbudgets'),
  csiDrivers: resource<CsiDriver>('storage.k8s.io/v1', 'CSIDriver', 'csidrivers', 'cluster'),
  csiNodes: resource<CsiNode>('storage.k8s.io/v1', 'CSINode', 'csinodes', 'cluster'),
  customResourceDefinitions: resource<UntypedObject>(
    'apiextensions.k8s.io/v1',
    'CustomResourceDefinition',
    'customresourcedefinitions',
    'cluster',
  ),
  roles: resource<UntypedObject>('rbac.authorization.k8s.io/v1', 'Role', 'roles'),
  roleBindings: resource<UntypedObject>('rbac.authorization.k8s.io/v1', 'RoleBinding', 'rolebindings'),
  clusterRoles: resource<UntypedObject>('rbac.authorization.k8s.io/v1', 'ClusterRole', 'clusterroles', 'cluster'),
  clusterRoleBindings: resource<UntypedObject>(
    'rbac.authorization.k8s.io/v1',
    'ClusterRoleBinding',
    'clusterrolebindings',
    'cluster',
  ),
  secretProviderClasses: resource<SecretProviderClass>(
    'secrets-store.csi.x-k8s.io/v1',
    'SecretProviderClass',
    'secretproviderclasses',
  ),
  secretProviderClassPodStatuses: resource<SecretProviderClassPodStatus>(
    'secrets-store.csi.x-k8s.io/v1',
    'SecretProviderClassPodStatus',
    'secretproviderclasspodstatuses',
  ),
  validatingAdmissionPolicies: resource<UntypedObject>(
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicy',
    'validatingadmissionpolicies',
    'cluster',
  ),
  validatingAdmissionPolicyBindings: resource<UntypedObject>(
    'admissionregistration.k8s.io/v1',
    'ValidatingAdmissionPolicyBinding',
    'validatingadmissionpolicybindings',
    'cluster',
  ),
  leases: resource<Lease>('coordination.k8s.io/v1', 'Lease', 'leases'),
  secretSyncs: resource<SecretSync>('secret-sync.x-k8s.io/v1alpha1', 'SecretSync', 'secretsyncs'),
  azureIdentities: resource<AzureIdentity>('aadpodidentity.k8s.io/v1', 'AzureIdentity', 'azureidentities'),
  azureIdentityBindings: resource<AzureIdentityBinding>(
    'aadpodidentity.k8s.io/v1',
    'AzureIdentityBinding',
    'azureidentitybindings',
  ),
  azureAssignedIdentities: resource<AzureAssignedIdentity>(
    'aadpodidentity.k8s.io/v1',
    'AzureAssignedIdentity',
    'azureassignedidentities',
  ),
  azurePodIdentityExceptions: resource<AzurePodIdentityException>(
    'aadpodidentity.k8s.io/v1',
    'AzurePodIdentityException',
    'azurepodidentityexceptions',
  ),
} as const

/** A resource whose objects are taken as they are, whatever type they have here. */
export function untyped<T extends KubeObject>({ group, version, plural, kind, namespaced }: Resource<T>): Resource {
  return { group, version, plural, kind, namespaced }
}

/** The resource of an object by its apiVersion and kind; undefined for a kind that is not in {@link resources}. */
export function resourceOf(object: { apiVersion: string; kind: string }): Resource<UntypedObject> | undefined {
  const all: readonly Resource<KubeObject>[] = Object.values(resources)
  return all.find((row) => row.kind === object.kind && apiVersionOf(row) === object.apiVersion) as
    | Resource<UntypedObject>
    | undefined
}

/** `v1`, `apps/v1`, … */
export function apiVersionOf({ group, version }: { group: string; version: string }): string {
  return group === '' ? version : `${group}/${version}`
}

/** URL path of a collection or of one object, with an optional subresource. */
export function pathOf(
  { group, version, plural, namespaced }: Resource<KubeObject>,
  ref: { namespace?: string | undefined; name?: string | undefined; subresource?: string | undefined },
): string {
  const parts = [group === '' ? 'api' : `apis/${group}`, version]
  if (namespaced && ref.namespace !== undefined) parts.push('namespaces', segmentOf(ref.namespace))
  parts.push(plural)
  if (ref.name !== undefined) parts.push(segmentOf(ref.name))
  if (ref.subresource !== undefined) parts.push(ref.subresource)
  return `/${parts.join('/')}`
}

/** Throws for a name that would lead to another path: no object is called `.` or `..`. */
function segmentOf(name: string): string {
  if (name === '.' || name === '..') throw new Error(`found "${name}" as a name, expected ${objectNameForm}`)
  return encodeURIComponent(name)
}

/** Rules for what `keymount doctor` reads. Secrets are asked for by name, as metadata. */
const namespaced = [
  { apiGroups: [''], resources: ['pods', 'events', 'serviceaccounts'], verbs: ['get', 'list'] },
  { apiGroups: [''], resources: ['pods/log'], verbs: ['get'] },
  { apiGroups: [''], resources: ['secrets'], verbs: ['get'] },
  {
    apiGroups: ['apps'],
    resources: ['deployments', 'statefulsets', 'daemonsets', 'replicasets'],
    verbs: ['get', 'list'],
  },
  { apiGroups: ['batch'], resources: ['jobs', 'cronjobs'], verbs: ['get'] },
  {
    apiGroups: ['secrets-store.csi.x-k8s.io'],
    resources: ['secretproviderclasses', 'secretproviderclasspodstatuses'],
    verbs: ['get', 'list'],
  },
  { apiGroups: ['secret-sync.x-k8s.io'], resources: ['secretsyncs'], verbs: ['get', 'list'] },
]

const clusterWide = [
  { apiGroups: [''], resources: ['nodes', 'namespaces'], verbs: ['get', 'list'] },
  { apiGroups: ['storage.k8s.io'], resources: ['csidrivers', 'csinodes'], verbs: ['get', 'list'] },
  { apiGroups: ['admissionregistration.k8s.io'], resources: ['mutatingwebhookconfigurations'], verbs: ['list'] },
]

/** Where the pods of driver and provider are. */
const ofProduct = [
  { apiGroups: [''], resources: ['pods'], verbs: ['list'] },
  { apiGroups: ['apps'], resources: ['daemonsets'], verbs: ['list'] },
]

export interface RbacOptions {
  namespace: string
  /** With `--probe`: a pod is created and deleted. */
  probe: boolean
  /** With `--azure`: a token of the service account is sent to Entra. */
  azure: boolean
}

/** The least rights with which every step can be examined, as JSON that kubectl applies. */
export function minimalRoles({ namespace, probe, azure }: RbacOptions): object {
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const ofOperator = [{ apiGroups: [''], resources: ['events'], verbs: ['list'] }]
  const rules = [
    ...namespaced,
    ...(probe ? [{ apiGroups: [''], resources: ['pods'], verbs: ['create', 'delete'] }] : []),
    ...(azure ? [{ apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] }] : []),
  ]
  return {
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion, kind: 'Role', metadata: { name: 'keymount-doctor', namespace }, rules },
      // Of the operator’s own events.
      { apiVersion, kind: 'Role', metadata: { name: 'keymount-doctor', namespace: 'kube-system' }, rules: ofOperator },
      { apiVersion, kind: 'ClusterRole', metadata: { name: 'keymount-doctor' }, rules: [...clusterWide, ...ofProduct] },
    ],
  }
}

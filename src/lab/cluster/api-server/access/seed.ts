import type { ApiObject } from '../api-object.ts'
import { builtInRows } from '../kinds/built-in-kinds.ts'
import { keyOf } from '../kinds/resource-row.ts'
import type { Objects } from '../objects/objects.ts'
import type { Store } from '../objects/store.ts'

const rbac = 'rbac.authorization.k8s.io'
const read = ['get', 'list', 'watch']
const everything = ['*']

const rule = (apiGroups: readonly string[], resources: readonly string[], verbs: readonly string[]) => ({
  apiGroups,
  resources,
  verbs,
})
const paths = (...nonResourceURLs: string[]) => ({ nonResourceURLs, verbs: ['get', 'head'] })

/** What the agent of a node does. A real cluster narrows it to the objects of its own pods; here there is one node. */
const nodeRules = [
  rule([''], ['nodes', 'nodes/status'], [...read, 'create', 'patch', 'update']),
  rule([''], ['pods', 'pods/status'], [...read, 'create', 'delete', 'patch', 'update']),
  rule([''], ['secrets', 'configmaps', 'serviceaccounts', 'namespaces'], read),
  rule([''], ['serviceaccounts/token'], ['create']),
  rule([''], ['events'], [...read, 'create', 'patch', 'update']),
  rule(['storage.k8s.io'], ['csidrivers'], read),
  rule(['storage.k8s.io'], ['csinodes'], [...read, 'create', 'delete', 'patch', 'update']),
]

/** The roles that every cluster has, and the groups that have them. https://kubernetes.io/docs/reference/access-authn-authz/rbac/#default-roles-and-role-bindings */
const roles: Record<string, { rules: readonly object[]; to: readonly string[] }> = {
  'cluster-admin': {
    rules: [rule(everything, everything, everything), { nonResourceURLs: everything, verbs: everything }],
    to: ['system:masters'],
  },
  'system:public-info-viewer': {
    rules: [paths('/healthz', '/livez', '/readyz', '/version')],
    to: ['system:authenticated', 'system:unauthenticated'],
  },
  // The relying party that verifies tokens (Microsoft Entra ID, or the local Azure) comes without credentials.
  'system:service-account-issuer-discovery': {
    rules: [paths('/.well-known/openid-configuration', '/openid/v1/jwks')],
    to: ['system:authenticated', 'system:unauthenticated'],
  },
  'system:discovery': {
    rules: [paths('/api', '/api/*', '/apis', '/apis/*', '/openapi', '/openapi/*')],
    to: ['system:authenticated'],
  },
  'system:basic-user': {
    rules: [
      rule(['authorization.k8s.io'], ['selfsubjectaccessreviews'], ['create']),
      rule(['authentication.k8s.io'], ['selfsubjectreviews'], ['create']),
    ],
    to: ['system:authenticated'],
  },
  'system:node': { rules: nodeRules, to: ['system:nodes'] },
}

/** Makes the namespaces, roles and bindings that every cluster has, where they are missing. */
export function seed(store: Store, objects: Objects): void {
  const ensure = (plural: string, body: Partial<ApiObject> & { metadata: { name: string } }) => {
    const row = builtInRows.find((one) => one.plural === plural)
    if (row === undefined || store.get(keyOf(row), undefined, body.metadata.name) !== undefined) return
    objects.create(row, undefined, body, { manager: 'local-cluster' })
  }
  for (const name of ['default', 'kube-system']) ensure('namespaces', { metadata: { name } })
  for (const [name, { rules, to }] of Object.entries(roles)) {
    const subjects = to.map((group) => ({ kind: 'Group', apiGroup: rbac, name: group }))
    ensure('clusterroles', { metadata: { name }, rules })
    ensure('clusterrolebindings', {
      metadata: { name },
      roleRef: { apiGroup: rbac, kind: 'ClusterRole', name },
      subjects,
    })
  }
}

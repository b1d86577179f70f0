import { type KubeClient, resources } from '#kubernetes/client'

const group = 'rbac.authorization.k8s.io'

/** Lets a service account list in its namespace what the dashboard shows of it, and change nothing. */
export async function createViewerRole(kube: KubeClient, metadata: { namespace: string; name: string }): Promise<void> {
  const verbs = ['get', 'list', 'watch']
  const rules = [
    { apiGroups: [''], resources: ['pods', 'events'], verbs },
    { apiGroups: ['secrets-store.csi.x-k8s.io'], resources: ['*'], verbs },
  ]
  await kube.create(resources.roles, { apiVersion: `${group}/v1`, kind: 'Role', metadata, rules })
  await kube.create(resources.roleBindings, {
    apiVersion: `${group}/v1`,
    kind: 'RoleBinding',
    metadata,
    roleRef: { apiGroup: group, kind: 'Role', name: metadata.name },
    subjects: [{ kind: 'ServiceAccount', ...metadata }],
  })
}

import { keyOf } from '../api-server/kinds/resource-row.ts'
import { type Controller, type ControllerContext, controllerOf } from './controller.ts'

const manager = 'namespace-controller'

/** Gives every namespace its `default` service account and the cluster's CA. */
export function namespaceDefaults(ca: string): Controller {
  return controllerOf('namespaces', {
    name: 'namespace-defaults',
    watches: ['serviceaccounts', 'configmaps'],
    sync(context, { metadata: { name } }) {
      ensure(context, 'serviceaccounts', name, { metadata: { name: 'default' } })
      ensure(context, 'configmaps', name, { metadata: { name: 'kube-root-ca.crt' }, data: { 'ca.crt': ca } })
    },
  })
}

function ensure(
  { store, objects, catalog }: ControllerContext,
  resource: string,
  namespace: string,
  body: { metadata: { name: string }; data?: Record<string, string> },
): void {
  if (store.get(resource, namespace, body.metadata.name) !== undefined) return
  objects.create(catalog.row(resource), namespace, body, { manager })
}

/** Empties a namespace that is being deleted, and then lets it go. */
export const namespaceDeletion: Controller = {
  name: 'namespace-deletion',
  watches: 'everything',
  reconcile({ store, objects, catalog }) {
    for (const namespace of store.list('namespaces')) {
      if (namespace.metadata.deletionTimestamp === undefined) continue
      const { name } = namespace.metadata
      const kinds = catalog.rows().filter(({ namespaced }) => namespaced)
      for (const row of kinds) {
        for (const { metadata } of store.list(keyOf(row), name)) {
          if (metadata.deletionTimestamp === undefined) objects.delete(row, metadata, {})
        }
      }
      const empty = kinds.every((row) => store.list(keyOf(row), name).length === 0)
      if (empty && !namespace.metadata.finalizers?.length) store.remove('namespaces', namespace)
    }
  },
}

import { compareByKey, ifFound, type KubeClient, resources } from '#kubernetes/client'
import { ImdsRefusal } from '#product/imds'
import { podIdentityNames } from '../names.ts'
import type { FindIdentity } from './find-assigned.ts'
import { matchesQuery, redact } from './names-identity.ts'
import type { NodePods } from './node-pods.ts'

/**
 * Managed mode: an administrator has given the machines their identities, so there is nothing to wait for. Bindings and
 * identities are those of the pod's namespace, read for each request. Throws `ImdsRefusal` when none matches.
 */
export function createFindBound({ kube, pods }: { kube: KubeClient; pods: Pick<NodePods, 'byName'> }): FindIdentity {
  return async ({ namespace, name }, query) => {
    const selector = await selectorOf({ kube, pods }, namespace, name)
    const [bindings, identities] = await Promise.all([
      kube.list(resources.azureIdentityBindings, { namespace }),
      kube.list(resources.azureIdentities, { namespace }),
    ])
    // A pod without the label requests nothing, not even of a binding with an empty selector.
    const names = new Set(
      bindings.items
        .filter(({ spec }) => selector !== undefined && spec.selector === selector)
        .map(({ spec }) => spec.azureIdentity),
    )
    const bound = identities.items.filter(({ metadata }) => names.has(metadata.name)).toSorted(compareByKey)
    if (bound.length === 0) {
      throw new ImdsRefusal(
        404,
        'not_found',
        `no AzureIdentity found for pod ${namespace}/${name}: no AzureIdentityBinding of its namespace has its ${podIdentityNames.podLabel} label as selector`,
      )
    }
    const match = bound.find((identity) => matchesQuery(query, identity))
    if (match !== undefined) return match
    const named = query.clientId === '' ? `resource id ${query.resourceId}` : `clientID ${redact(query.clientId)}`
    throw new ImdsRefusal(404, 'not_found', `no azure identity found for request ${named}`)
  }
}

/** Value of the pod's label, from the watch or else from the API server. */
async function selectorOf(
  { kube, pods }: { kube: KubeClient; pods: Pick<NodePods, 'byName'> },
  namespace: string,
  name: string,
): Promise<string | undefined> {
  const watched = pods.byName(namespace, name)
  if (watched !== undefined) return watched.selector
  const pod = await ifFound(kube.get(resources.pods, { namespace, name }))
  return pod?.metadata.labels?.[podIdentityNames.podLabel]
}

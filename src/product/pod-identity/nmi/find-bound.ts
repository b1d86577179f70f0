import { isNotFound, type KubeClient, objectKey, resources } from '#kubernetes/client'
import { podIdentityNames } from '../names.ts'
import type { FindIdentity } from './find-assigned.ts'
import type { NodePods } from './node-pods.ts'
import { RequestError } from './request-error.ts'
import { isMeant, redact } from './token-query.ts'

/**
 * Managed mode: an administrator gave the machines their identities, so nothing is waited for. Bindings and identities are
 * those of the pod's namespace, read when a pod asks. Throws {@link RequestError} when none is meant for the pod.
 */
export function createFindBound({ kube, pods }: { kube: KubeClient; pods: Pick<NodePods, 'byName'> }): FindIdentity {
  async function selectorOf(namespace: string, name: string): Promise<string | undefined> {
    const known = pods.byName(namespace, name)
    if (known !== undefined) return known.selector
    try {
      const { metadata } = await kube.get(resources.pods, { namespace, name })
      return metadata.labels?.[podIdentityNames.podLabel]
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  return async ({ namespace, name }, query) => {
    const selector = await selectorOf(namespace, name)
    const [bindings, identities] = await Promise.all([
      kube.list(resources.azureIdentityBindings, { namespace }),
      kube.list(resources.azureIdentities, { namespace }),
    ])
    // A pod without the label asks for nothing, whatever an empty selector says.
    const names = new Set(
      bindings.items
        .filter(({ spec }) => selector !== undefined && spec.selector === selector)
        .map(({ spec }) => spec.azureIdentity),
    )
    const bound = identities.items
      .filter(({ metadata }) => names.has(metadata.name))
      .toSorted((a, b) => (objectKey(a) < objectKey(b) ? -1 : 1))
    if (bound.length === 0) {
      throw new RequestError(
        404,
        `no AzureIdentity found for pod ${namespace}/${name}: no AzureIdentityBinding of its namespace has its ${podIdentityNames.podLabel} label as selector`,
      )
    }
    const meant = bound.find((identity) => isMeant(query, identity))
    if (meant !== undefined) return meant
    const asked = query.clientId === '' ? `resource id ${query.resourceId}` : `clientID ${redact(query.clientId)}`
    throw new RequestError(404, `no azure identity found for request ${asked}`)
  }
}

import type { KubeClient, KubeObject, Resource } from '#kubernetes/client'
import { nearestName } from '#lib'
import { CliError } from '#terminal'
import { attempt } from '../answer.ts'

export interface NoSuchObject<T extends KubeObject> {
  resource: Resource<T>
  /** As users call it: `pod`, `SecretProviderClass`. */
  noun: string
  namespace: string
  name: string
  cause?: unknown
}

/** The error for an object that is not there; names one of its namespace with a similar name. */
export async function noSuchObject<T extends KubeObject>(
  kube: KubeClient,
  missing: NoSuchObject<T>,
): Promise<CliError> {
  const { resource, noun, namespace, name, cause } = missing
  const found = await attempt(() => kube.list(resource, { namespace }))
  const names = 'value' in found ? found.value.items.map(({ metadata }) => metadata.name ?? '') : []
  const near = nearestName(name, names)
  return new CliError({
    what: `There is no ${noun} "${name}"${resource.namespaced ? ` in namespace "${namespace}"` : ''}`,
    fix: [
      ...(near === undefined ? [] : [`did you mean ${near}?`]),
      resource.namespaced
        ? `find its namespace, for -n: kubectl get ${resource.plural} -A`
        : `see all of them: kubectl get ${resource.plural}`,
    ],
    cause,
  })
}

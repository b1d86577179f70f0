import { isForbidden, type KubeClient, type KubeObject, resources, type UntypedObject } from '#kubernetes/client'
import { valueAt } from '#lib/formats'

/** Chart and manifests give it to every Deployment of Keymount: operator, sync controller, webhook, MIC. */
export const productLabel = 'app.kubernetes.io/name=keymount'

export interface ProductDeployment {
  namespace: string
  name: string
  ready: number
  /** 0: it was scaled down. */
  wanted: number
}

/** Of the namespaces with pods of driver or provider, where there are any; none if they may not be listed. */
export async function productDeployments(
  kube: KubeClient,
  namespaces: ReadonlySet<string | undefined>,
): Promise<ProductDeployment[]> {
  try {
    const { items } = await kube.list(resources.deployments, { labelSelector: productLabel })
    return ofProduct(items, namespaces).map(productDeployment)
  } catch (error) {
    if (isForbidden(error)) return []
    throw error
  }
}

/** A user of one namespace can give a Deployment the label: where pods of driver or provider are known, only those of their namespaces count. */
export function ofProduct<T extends KubeObject>(
  objects: readonly T[],
  namespaces: ReadonlySet<string | undefined>,
): T[] {
  return objects.filter(({ metadata }) => namespaces.size === 0 || namespaces.has(metadata.namespace))
}

export function productDeployment({ metadata, ...rest }: UntypedObject): ProductDeployment {
  const numberAt = (of: unknown, name: string, otherwise: number) => {
    const found = valueAt(of, name)
    return typeof found === 'number' ? found : otherwise
  }
  return {
    namespace: metadata.namespace ?? '',
    name: metadata.name ?? '',
    ready: numberAt(rest.status, 'readyReplicas', 0),
    wanted: numberAt(rest.spec, 'replicas', 1),
  }
}

/** Whether none of its pods works. */
export function isDown({ ready }: Pick<ProductDeployment, 'ready'>): boolean {
  return ready === 0
}

/** `0 of 1 ready`. */
export function readinessOf({ ready, wanted }: ProductDeployment): string {
  return wanted === 0 ? 'scaled to 0' : `${ready} of ${wanted} ready`
}

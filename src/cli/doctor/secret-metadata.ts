import { ifFound, type KubeClient, type KubeObject, type ObjectRef, pathOf, resources } from '#kubernetes/client'
import { parseJson } from '#lib/formats'

/** Metadata of a Secret; undefined if there is none. The server leaves the data out: it never reaches this process. */
export async function secretMetadata(kube: KubeClient, ref: ObjectRef): Promise<KubeObject | undefined> {
  const path = pathOf(resources.secrets, ref)
  const headers = { accept: 'application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1' }
  const body = await ifFound(kube.raw({ method: 'GET', path, headers }))
  return body === undefined ? undefined : (parseJson('metadata of a Secret', body) as KubeObject)
}

export interface Selectors {
  /** All namespaces when absent. */
  namespace?: string | undefined
  /** `a=b,c in (d,e)`. */
  labelSelector?: string | undefined
  /** `spec.nodeName=n1`. */
  fieldSelector?: string | undefined
  /** Asks for the metadata of the objects alone: of large objects, the smaller part. */
  metadataOnly?: boolean | undefined
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/#metadata-only-fetches */
export function acceptHeaders({ metadataOnly }: Selectors, kind: string): Record<string, string> {
  return metadataOnly === true ? { accept: `application/json;as=${kind};g=meta.k8s.io;v=v1,application/json` } : {}
}

export function selectorQuery({ labelSelector, fieldSelector }: Selectors): Record<string, string | undefined> {
  return { labelSelector, fieldSelector }
}

/** `?a=b&c=d` of the parameters that are defined; empty when none is. */
export function queryOf(parameters: Record<string, string | number | boolean | undefined>): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value))
  }
  const text = query.toString()
  return text === '' ? '' : `?${text}`
}

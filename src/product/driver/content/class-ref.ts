/** Which SecretProviderClass. */
export interface ClassRef {
  namespace: string
  name: string
}

export function classKey({ namespace, name }: ClassRef): string {
  return `${namespace}/${name}`
}

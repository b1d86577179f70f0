/** A SecretProviderClass. */
export interface ClassRef {
  namespace: string
  name: string
}

/**
 * azure/keyvault: the calls to a vault's data plane that reading needs (get a secret, key or certificate, list versions and objects). One
 * request per object, no challenge round trip: the resource is known from the cloud, unless the vault wants another one. Failures are `VaultError`. https://learn.microsoft.com/rest/api/keyvault/
 */
export * from './object-id.ts'
export type {
  ListedObject,
  ObjectDetails,
  ObjectVersionInfo,
  VaultCertificate,
  VaultKey,
  VaultSecret,
} from './read-answer.ts'
export * from './vault-address.ts'
export * from './vault-client.ts'
export * from './vault-error.ts'
export { objectsPerPage, vaultLimits } from './vault-limits.ts'
export type { JsonWebKeyWire, ObjectAttributes } from './wire.ts'

/**
 * keyvault: the calls to a vault's data plane that reading needs (get a secret, key or certificate, list versions) and the
 * types of its wire, which the emulator shares. One request per object, no challenge round trip: the resource is known from
 * the cloud. Failures are `VaultError`. https://learn.microsoft.com/rest/api/keyvault/
 */
export * from './object-id.ts'
export * from './vault-address.ts'
export * from './vault-client.ts'
export * from './vault-error.ts'
export * from './wire.ts'

/**
 * registry: pushes images and charts to a container registry, by the OCI distribution specification, without Docker.
 * `createRegistryClient` signs in and sends, `pushArtifact` uploads what is missing there. Failures are `RegistryError` (the
 * registry refused) or `HttpFault` (no answer).
 */
export { type EntraExchange, exchangeEntraToken, isAzureRegistry } from './azure-registry.ts'
export { chartArtifact, memoryBlob } from './chart-artifact.ts'
export { type CredentialSources, dockerCredentials } from './docker-credentials.ts'
export {
  type Artifact,
  type BlobSource,
  digestOf,
  type Manifest,
  type PushedBlob,
  pushArtifact,
} from './push-artifact.ts'
export { parseReference, parseRepository, type Reference } from './reference.ts'
export {
  createRegistryClient,
  type RegistryClient,
  type RegistryClientOptions,
  type RegistryCredentials,
} from './registry-client.ts'
export { RegistryError, type RegistryErrorCode } from './registry-error.ts'

/**
 * local-azure: Entra ID, Resource Manager, Graph and Key Vault in one process on loopback, behind an HTTPS proxy with the
 * lab's own certificate authority, so that clients use Azure's real names. Tokens are verified and roles are enforced.
 * A request goes proxy/ (CONNECT, TLS, host) → a service (entra, arm, graph, keyvault: each a table of operations) →
 * the stores on records/ (one journal, durable before the answer). traffic/ slows, breaks and counts it for tests; events/
 * tells what happened in the vaults, and keyvault/maintenance.ts does what falls due in them.
 * What is done and what is not: docs/lab.md.
 */
export type {
  ClusterBackend,
  ClusterEndpoint,
  SecretsProviderSettings,
} from './arm/container-service/cluster-backend.ts'
export { type LocalAzureConfig, localAzureFlags, localAzureProgram } from './config.ts'
export type { AdministratorCredentials } from './credentials-file.ts'
export { type LocalAzure, type LocalAzureOptions, startLocalAzure } from './start-local-azure.ts'

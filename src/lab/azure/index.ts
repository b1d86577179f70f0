/**
 * local-azure: Entra ID, Resource Manager, Graph, Key Vault, storage queues and IMDS in one process on loopback, behind an HTTPS proxy with
 * its own certificate authority, so that clients use Azure's real host names. Tokens are verified and roles are enforced.
 * A request goes through proxy/ (CONNECT, TLS, host) to a service (entra, arm, graph, keyvault, storage: each a table of operations)
 * and its stores on records/ (one journal, durable before the response). traffic/ delays, breaks and counts requests for
 * tests; events/ publishes what happens in vaults and delivers it to queues, and keyvault/maintenance.ts does what is due in them without a request.
 * docs/lab.md lists what is implemented.
 */
export {
  type ClusterBackend,
  type ClusterEndpoint,
  loadedWhenUsed,
  type SecretsProviderSettings,
} from './arm/container-service/cluster-backend.ts'
export { type LocalAzureConfig, localAzureFlags, localAzureProgram } from './config.ts'
export type { AdministratorCredentials } from './credentials-file.ts'
export type { OperationRow } from './http/service.ts'
export { describeOperations, type ServiceReference } from './operation-reference.ts'
export { type MachineProxy, readMachineProxy } from './proxy/machine-proxy.ts'
export { type LocalAzure, type LocalAzureOptions, startLocalAzure } from './start-local-azure.ts'

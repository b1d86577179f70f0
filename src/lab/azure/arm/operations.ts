import type { Clock } from '#lib'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import type { EventGridRecords } from '../events/event-subscriptions.ts'
import type { Namespaces } from '../events/namespaces.ts'
import { assignedIdentities } from '../imds/assigned-identities.ts'
import type { NodeEndpoints } from '../imds/node-endpoints.ts'
import type { Vaults } from '../keyvault/vaults.ts'
import type { Cloud } from '../proxy/clouds.ts'
import type { RecordStore } from '../records/record-store.ts'
import type { StorageAccounts } from '../storage/accounts.ts'
import { roleAssignmentOperations } from './authorization/role-assignment-operations.ts'
import { roleDefinitionOperations } from './authorization/role-definition-operations.ts'
import { machineOperations } from './compute/machine-operations.ts'
import { type Machine, type Machines, machineKind, machineTypes } from './compute/machines.ts'
import type { ClusterBackend } from './container-service/cluster-backend.ts'
import { type ClusterLifecycle, createClusterLifecycle } from './container-service/cluster-lifecycle.ts'
import { clusterOperations } from './container-service/cluster-operations.ts'
import { type Clusters, clusterKind } from './container-service/clusters.ts'
import { identityBindingOperations } from './container-service/identity-binding-operations.ts'
import type { IdentityBindings } from './container-service/identity-bindings.ts'
import { createNodeGroups } from './container-service/node-groups.ts'
import { eventSubscriptionOperations } from './event-grid/event-subscription-operations.ts'
import { namespaceKind, namespaceOperations } from './event-grid/namespace-operations.ts'
import { namespaceTopicOperations } from './event-grid/namespace-topic-operations.ts'
import { systemTopicKind, systemTopicOperations } from './event-grid/system-topic-operations.ts'
import { deletedVaultOperations } from './key-vault/deleted-vault-operations.ts'
import { managedHsmOperations } from './key-vault/managed-hsm-operations.ts'
import { vaultKind, vaultOperations } from './key-vault/vault-operations.ts'
import { type LongOperations, longOperationOperations } from './long-operations.ts'
import { federatedCredentialOperations } from './managed-identity/federated-credential-operations.ts'
import { type Identities, identityKind } from './managed-identity/identities.ts'
import { identityOperations } from './managed-identity/identity-operations.ts'
import type { ArmOperation } from './operation.ts'
import type { ResourceKind } from './resource-kind.ts'
import { createGroupDeletion, type GroupDeletion } from './resources/delete-group.ts'
import { groupOperations } from './resources/group-operations.ts'
import { createProviders, providerOperations } from './resources/provider-operations.ts'
import type { ResourceGroups } from './resources/resource-groups.ts'
import { resourceOperations } from './resources/resource-operations.ts'
import { subscriptionOperations } from './resources/subscription-operations.ts'
import { accountKind, accountOperations } from './storage/account-operations.ts'

export interface ArmOperationsOptions {
  store: RecordStore
  cloud: Cloud
  tenant: Tenant
  directory: Directory
  roles: RoleAssignments
  groups: ResourceGroups
  vaults: Vaults
  identities: Identities
  machines: Machines
  clusters: Clusters
  bindings: IdentityBindings
  accounts: StorageAccounts
  eventGrid: EventGridRecords
  namespaces: Namespaces
  clusterBackend: ClusterBackend | undefined
  nodeEndpoints: NodeEndpoints
  longOperations: LongOperations
  clock: Clock
}

/** Every operation of Resource Manager: the resource types, and what works across them. */
export function armOperations(options: ArmOperationsOptions): {
  operations: ArmOperation[]
  lifecycle: ClusterLifecycle
  deletion: GroupDeletion
} {
  const { directory, vaults, identities, machines, clusters, accounts, eventGrid, longOperations } = options
  const providers = createProviders(options.store)
  const { federatedCredentials } = options.directory
  const { subscriptionId } = options.tenant
  const simpleKinds: ResourceKind[] = [
    vaultKind(vaults, eventGrid),
    identityKind(identities),
    accountKind(accounts),
    systemTopicKind(eventGrid),
    namespaceKind(options.namespaces),
    ...machineTypes.map((type) => machineKind(machines, type)),
  ]
  const nodeGroups = createNodeGroups({ ...options, subscriptionId, kinds: simpleKinds })
  const identitiesOf = (some: readonly Machine[]) => assignedIdentities(some, { directory, identities })
  const lifecycle = createClusterLifecycle({ ...options, nodeGroups, identitiesOf })
  const kinds = [...simpleKinds, clusterKind(clusters, lifecycle.retire)]
  const deletion = createGroupDeletion({ ...options, kinds })
  const operations = [
    ...subscriptionOperations(options),
    ...providerOperations({ ...options, providers }),
    ...groupOperations({ ...options, deletion }),
    ...resourceOperations(kinds),
    ...vaultOperations(options),
    ...deletedVaultOperations({ ...options, subscriptionId }),
    ...managedHsmOperations(),
    ...identityOperations(options),
    ...federatedCredentialOperations({ ...options, federatedCredentials }),
    ...accountOperations(options),
    ...systemTopicOperations({ ...options, providers }),
    ...eventSubscriptionOperations({ ...options, providers }),
    ...namespaceOperations({ ...options, providers }),
    ...namespaceTopicOperations({ ...options, providers }),
    ...machineOperations(options),
    ...clusterOperations({ ...options, nodeGroups, lifecycle }),
    ...identityBindingOperations(options),
    ...longOperationOperations(longOperations),
    ...roleDefinitionOperations({ subscriptionId }),
    ...roleAssignmentOperations({ ...options, kinds }),
  ]
  return { operations, lifecycle, deletion }
}

import type { Clock } from '../../lib/index.ts'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Directory } from '../directory/directory.ts'
import type { Tenant } from '../directory/tenant.ts'
import type { Vaults } from '../keyvault/vaults.ts'
import type { Cloud } from '../proxy/clouds.ts'
import type { Change, RecordStore } from '../records/record-store.ts'
import { federatedCredentialOperations } from './federated-credential-operations.ts'
import { groupOperations } from './group-operations.ts'
import { type Identities, identityKind } from './identities.ts'
import { identityOperations } from './identity-operations.ts'
import { machineOperations } from './machine-operations.ts'
import { type Machines, machineKind, machineTypes } from './machines.ts'
import type { ArmOperation } from './operation.ts'
import type { ResourceGroups } from './resource-groups.ts'
import type { ResourceKind } from './resource-kind.ts'
import { resourceOperations } from './resource-operations.ts'
import { roleOperations } from './role-operations.ts'
import { subscriptionOperations } from './subscription-operations.ts'
import { vaultKind, vaultOperations } from './vault-operations.ts'

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
  purgeObjects: (vaultUid: string) => Change[]
  clock: Clock
}

/** Every operation of Resource Manager: the resource types, and what works across them. */
export function armOperations(options: ArmOperationsOptions): ArmOperation[] {
  const { vaults, identities, machines } = options
  const kinds: ResourceKind[] = [
    vaultKind(vaults),
    identityKind(identities),
    ...machineTypes.map((type) => machineKind(machines, type)),
  ]
  const { federatedCredentials } = options.directory
  return [
    ...subscriptionOperations(options),
    ...groupOperations({ ...options, kinds }),
    ...resourceOperations(kinds),
    ...vaultOperations(options),
    ...identityOperations(options),
    ...federatedCredentialOperations({ ...options, federatedCredentials }),
    ...machineOperations(options),
    ...roleOperations({ ...options, kinds }),
  ]
}

import type { Directory } from '../../directory/directory.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { Identities, Identity } from '../managed-identity/identities.ts'
import type { ResourceKind } from '../resource-kind.ts'

/** What a machine of the cloud is made of, as far as the lab cares: who it is. Everything else is kept as it was given. */
export interface Machine {
  id: string
  type: MachineType
  name: string
  location: string
  tags: Record<string, string>
  sku?: unknown
  properties: Record<string, unknown>
  /** Object id of the system-assigned identity. */
  systemPrincipalId?: string | undefined
  /** Resource ids of the user-assigned identities, in the casing they were given. */
  identityIds: string[]
}

export const machineTypes = ['Microsoft.Compute/virtualMachines', 'Microsoft.Compute/virtualMachineScaleSets'] as const
export type MachineType = (typeof machineTypes)[number]

export interface Machines {
  get(id: string): Machine | undefined
  ofType(type: MachineType): Machine[]
  put(machine: Machine): Change
  /** The changes that remove the machine and its system-assigned identity. */
  remove(machine: Machine): Change[]
  /** What IMDS answers for on the machines of the lab. */
  assignedIdentities(): { system: string[]; user: Identity[] }
}

export function createMachines(store: RecordStore, directory: Directory, identities: Identities): Machines {
  const collection = store.collection<Machine>('machines')
  return {
    get: (id) => collection.get(id.toLowerCase()),
    ofType: (type) => [...collection.values()].filter((machine) => machine.type === type),
    put: (machine) => collection.put(machine.id.toLowerCase(), machine),
    remove(machine) {
      const principal = directory.servicePrincipal(machine.systemPrincipalId ?? '')
      const ofPrincipal = principal === undefined ? [] : directory.removePrincipal(principal)
      return [...ofPrincipal, collection.remove(machine.id.toLowerCase())]
    },
    assignedIdentities() {
      const machines = [...collection.values()]
      const ids = new Set(machines.flatMap(({ identityIds }) => identityIds.map((id) => id.toLowerCase())))
      return {
        system: machines.flatMap(({ systemPrincipalId }) => systemPrincipalId ?? []),
        user: [...ids].flatMap((id) => identities.get(id) ?? []),
      }
    },
  }
}

/** Machines as a kind of resource: what a group holds and deletes. */
export function machineKind(machines: Machines, type: MachineType): ResourceKind {
  return {
    type,
    all: () => machines.ofType(type).map(({ id, name, location, tags }) => ({ id, name, type, location, tags })),
    delete(id) {
      const machine = machines.get(id)
      return machine === undefined ? [] : machines.remove(machine)
    },
  }
}

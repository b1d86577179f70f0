import type { Directory } from '../../directory/directory.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import { type IdentityHolder, removeSystemIdentity } from '../resource-identity.ts'
import type { ResourceKind } from '../resource-kind.ts'

/** A machine of the cloud. The lab evaluates its identities; everything else is stored as given. */
export interface Machine extends IdentityHolder {
  type: MachineType
  location: string
  tags: Record<string, string>
  sku?: unknown
  properties: Record<string, unknown>
}

export const machineTypes = ['Microsoft.Compute/virtualMachines', 'Microsoft.Compute/virtualMachineScaleSets'] as const
export type MachineType = (typeof machineTypes)[number]

export interface Machines {
  get(id: string): Machine | undefined
  ofType(type: MachineType): Machine[]
  all(): Machine[]
  put(machine: Machine): Change
  /** The changes that remove the machine and its system-assigned identity. */
  remove(machine: Machine): Change[]
}

export function createMachines(store: RecordStore, directory: Directory): Machines {
  const collection = store.collection<Machine>('machines')
  return {
    get: (id) => collection.get(id.toLowerCase()),
    all: () => [...collection.values()],
    ofType: (type) => [...collection.values()].filter((machine) => machine.type === type),
    put: (machine) => collection.put(machine.id.toLowerCase(), machine),
    remove: (machine) => [...removeSystemIdentity(directory, machine), collection.remove(machine.id.toLowerCase())],
  }
}

/** Computer name of an instance of a scale set: the set's name and the instance's number in six digits of base 36. */
export function instanceName(scaleSet: string, number: number): string {
  return `${scaleSet}${number.toString(36).padStart(6, '0')}`
}

/** Machines as a kind of resource, for the groups that contain them. */
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

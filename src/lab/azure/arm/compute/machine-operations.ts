import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { existing, groupResourceOperations, pathsOf } from '../group-resources.ts'
import type { Identities } from '../managed-identity/identities.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { applyIdentity, type GivenIdentity, identitySchema, renderIdentity } from '../resource-identity.ts'
import { resourceFields } from '../resource-kind.ts'
import { locationSchema, resolveLocation, tagsSchema } from '../validate.ts'
import { instanceName, type Machine, type Machines, type MachineType, machineTypes } from './machines.ts'

export interface MachineOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  identities: Identities
  machines: Machines
  roles: RoleAssignments
}

/** The options, with the type whose operations these are. */
interface TypeOptions extends MachineOptions {
  type: MachineType
}

const putBody = z.object({
  location: locationSchema.optional(),
  tags: tagsSchema,
  sku: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).nullish(),
  identity: identitySchema.nullish(),
})

const patchBody = z.object({ tags: z.record(z.string(), z.string()).optional(), identity: identitySchema.nullish() })

/** Virtual machines and scale sets with their identities; nothing runs on them. https://learn.microsoft.com/rest/api/compute */
export function machineOperations(options: MachineOptions): ArmOperation[] {
  return machineTypes.flatMap((type) => operationsOf({ ...options, type }))
}

function operationsOf(options: TypeOptions): ArmOperation[] {
  const { type, machines } = options
  const word = type === 'Microsoft.Compute/virtualMachines' ? 'vm' : 'vmss'
  const instances = armOperation(
    'arm.vmssInstance.list',
    'GET',
    `${pathsOf(type).one}/virtualmachines`,
    `${type}/virtualMachines/read`,
    (call) => ({ status: 200, body: { value: renderInstances(existing(kindOf(options), call)) } }),
  )
  return [
    ...(word === 'vmss' ? [instances] : []),
    ...groupResourceOperations<Machine>({
      ...kindOf(options),
      operation: `arm.${word}`,
      all: () => machines.ofType(type),
      render: (machine) => render(options, machine),
      put: (call) => put(options, call),
      update: (call) => update(options, call),
      remove: (machine) => remove(options, machine),
    }),
  ]
}

function kindOf({ machines, type }: TypeOptions) {
  return { type, find: (call: ArmCall) => machines.get(call.targetId) }
}

async function put(options: TypeOptions, call: ArmCall): Promise<ArmAnswer> {
  const { location, tags, sku, properties, identity } = await call.body(putBody)
  const before = options.machines.get(call.targetId)
  const machine: Machine = {
    id: before?.id ?? call.targetId,
    type: options.type,
    name: before?.name ?? call.name('name'),
    location: resolveLocation(location, before),
    tags,
    sku,
    properties: properties ?? {},
    systemPrincipalId: before?.systemPrincipalId,
    identityIds: before?.identityIds ?? [],
  }
  return store(options, before === undefined ? 201 : 200, call, machine, identity)
}

async function update(options: TypeOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags, identity } = await call.body(patchBody)
  const before = existing(kindOf(options), call)
  const machine = { ...before, tags: tags ?? before.tags }
  return store(options, 200, call, machine, identity)
}

/** Stores the machine with `given` applied to its identities. */
function store(
  options: TypeOptions,
  status: number,
  call: ArmCall,
  machine: Machine,
  given: GivenIdentity | null | undefined,
): ArmAnswer {
  const { resource, changes } = applyIdentity(options, call, machine, given)
  options.store.commit([...changes, options.machines.put(resource)])
  return { status, body: render(options, resource) }
}

function remove(options: TypeOptions, machine: Machine): ArmAnswer {
  const { machines, roles } = options
  options.store.commit([...machines.remove(machine), ...roles.removeUnder(machine.id)])
  return { status: 200 }
}

function render(options: TypeOptions, machine: Machine) {
  const { type, sku, properties } = machine
  return {
    ...resourceFields(machine, type),
    sku,
    identity: renderIdentity(options, machine),
    properties: { ...properties, provisioningState: 'Succeeded' },
  }
}

/** The machines of a scale set, as many as its capacity. https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vms */
function renderInstances({ id, type, name, location, sku }: Machine) {
  const { capacity = 0 } = (sku ?? {}) as { capacity?: number }
  return Array.from({ length: capacity }, (_, number) => ({
    id: `${id}/virtualMachines/${number}`,
    name: `${name}_${number}`,
    type: `${type}/virtualMachines`,
    location,
    instanceId: String(number),
    sku,
    properties: { provisioningState: 'Succeeded', osProfile: { computerName: instanceName(name, number) } },
  }))
}

import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { resourceNotFound } from '../error-response.ts'
import type { Identities } from '../managed-identity/identities.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import { applyIdentity, type GivenIdentity, identitySchema, renderIdentity } from '../resource-identity.ts'
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
  const { type } = options
  const word = type === 'Microsoft.Compute/virtualMachines' ? 'vm' : 'vmss'
  const inSubscription = '/subscriptions/:subscription'
  const provider = `providers/${type.toLowerCase()}`
  const onMachine = `${inSubscription}/resourcegroups/:group/${provider}/:name`
  const instances: ArmOperation = {
    operation: 'arm.vmssInstance.list',
    method: 'GET',
    path: `${onMachine}/virtualmachines`,
    action: `${type}/virtualMachines/read`,
    run: (call) => ({ status: 200, body: { value: renderInstances(existing(options, call)) } }),
  }
  return [
    ...(word === 'vmss' ? [instances] : []),
    {
      operation: `arm.${word}.put`,
      method: 'PUT',
      path: onMachine,
      action: `${type}/write`,
      run: (call) => put(options, call),
    },
    armOperation(`arm.${word}.update`, 'PATCH', onMachine, `${type}/write`, (call) => update(options, call)),
    armOperation(`arm.${word}.get`, 'GET', onMachine, `${type}/read`, (call) => ({
      status: 200,
      body: render(options, existing(options, call)),
    })),
    armOperation(
      `arm.${word}.listByGroup`,
      'GET',
      `${inSubscription}/resourcegroups/:group/${provider}`,
      `${type}/read`,
      (call) => listByGroup(options, call),
    ),
    armOperation(`arm.${word}.list`, 'GET', `${inSubscription}/${provider}`, `${type}/read`, () =>
      listed(options, options.machines.ofType(type)),
    ),
    armOperation(`arm.${word}.delete`, 'DELETE', onMachine, `${type}/delete`, (call) => remove(options, call)),
  ]
}

function existing({ machines, type }: TypeOptions, call: ArmCall): Machine {
  const machine = machines.get(call.targetId)
  if (machine === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
  return machine
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
  const before = existing(options, call)
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

function listByGroup(options: TypeOptions, call: ArmCall): ArmAnswer {
  const prefix = `${call.targetId}/`.toLowerCase()
  const inGroup = options.machines.ofType(options.type).filter(({ id }) => id.toLowerCase().startsWith(prefix))
  return listed(options, inGroup)
}

function listed(options: TypeOptions, machines: readonly Machine[]): ArmAnswer {
  return { status: 200, body: { value: machines.map((machine) => render(options, machine)) } }
}

function remove(options: TypeOptions, call: ArmCall): ArmAnswer {
  const { machines, roles } = options
  const machine = machines.get(call.targetId)
  if (machine === undefined) return { status: 204 }
  options.store.commit([...machines.remove(machine), ...roles.removeUnder(machine.id)])
  return { status: 200 }
}

function render(options: TypeOptions, machine: Machine) {
  const { id, name, type, location, tags, sku, properties } = machine
  return {
    id,
    name,
    type,
    location,
    tags,
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

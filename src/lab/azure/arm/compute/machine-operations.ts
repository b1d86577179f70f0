import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import { resourceNotFound } from '../error-response.ts'
import type { Identities } from '../managed-identity/identities.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
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

const identitySchema = z.object({
  type: z
    .string()
    .transform((word) => word.toLowerCase().replaceAll(' ', ''))
    .pipe(z.enum(['none', 'systemassigned', 'userassigned', 'systemassigned,userassigned'])),
  /** A null removes that identity. */
  userAssignedIdentities: z.record(z.string(), z.looseObject({}).nullable()).nullish(),
})
type GivenIdentity = z.output<typeof identitySchema>

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
  return store(options, before === undefined ? 201 : 200, applyIdentity(options, call, machine, identity))
}

async function update(options: TypeOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags, identity } = await call.body(patchBody)
  const before = existing(options, call)
  const machine = { ...before, tags: tags ?? before.tags }
  return store(options, 200, applyIdentity(options, call, machine, identity))
}

/** A machine, and the changes of the directory that it needs. */
interface ChangedMachine {
  machine: Machine
  changes: readonly Change[]
}

/** Applies `given` as a merge patch: identities that it does not name stay. */
function applyIdentity(
  options: TypeOptions,
  call: ArmCall,
  machine: Machine,
  given: GivenIdentity | null | undefined,
): ChangedMachine {
  if (given == null) return { machine, changes: [] }
  const identityIds = userIdentitiesOf(options, call, machine, given)
  return applySystemIdentity(options, { ...machine, identityIds }, given.type.startsWith('systemassigned'))
}

function userIdentitiesOf(options: TypeOptions, call: ArmCall, { identityIds }: Machine, given: GivenIdentity) {
  const named = Object.entries(given.userAssignedIdentities ?? {})
  const isNamed = (id: string) => named.some(([other]) => other.toLowerCase() === id.toLowerCase())
  const added = named.flatMap(([id, value]) => (value === null ? [] : [id]))
  for (const id of added) checkAssignable(options, call, id)
  return given.type.endsWith('userassigned') ? [...identityIds.filter((id) => !isNamed(id)), ...added] : []
}

function checkAssignable({ identities, type }: TypeOptions, call: ArmCall, identityId: string): void {
  if (identities.get(identityId) === undefined) {
    throw new Refusal(
      400,
      'FailedIdentityOperation',
      `Identity operation for resource '${call.targetId}' failed with error 'Failed to perform resource identity operation. Status: 'BadRequest'. Response: 'Resource '${identityId}' was not found.''.`,
    )
  }
  const action = 'Microsoft.ManagedIdentity/userAssignedIdentities/assign/action'
  if (call.may(action, identityId)) return
  const { appid, oid } = call.caller
  throw new Refusal(
    403,
    'LinkedAuthorizationFailed',
    `The client '${appid}' with object id '${oid}' has permission to perform action '${type}/write' on scope '${call.targetId}'; however, it does not have permission to perform action(s) '${action}' on the linked scope(s) '${identityId}' (respectively) or the linked scope(s) are invalid.`,
  )
}

function applySystemIdentity({ directory }: TypeOptions, machine: Machine, isWanted: boolean): ChangedMachine {
  const principal = directory.servicePrincipal(machine.systemPrincipalId ?? '')
  if (!isWanted) {
    const changes = principal === undefined ? [] : directory.removePrincipal(principal)
    return { machine: { ...machine, systemPrincipalId: undefined }, changes }
  }
  if (principal !== undefined) return { machine, changes: [] }
  const created = directory.addManagedIdentity(machine.name, machine.id)
  return { machine: { ...machine, systemPrincipalId: created.principal.id }, changes: created.changes }
}

function store(options: TypeOptions, status: number, { machine, changes }: ChangedMachine): ArmAnswer {
  options.store.commit([...changes, options.machines.put(machine)])
  return { status, body: render(options, machine) }
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

function renderIdentity({ identities, tenant }: TypeOptions, { systemPrincipalId, identityIds }: Machine) {
  const hasSystem = systemPrincipalId !== undefined
  const hasUser = identityIds.length > 0
  if (!hasSystem && !hasUser) return undefined
  const kinds = [hasSystem && 'SystemAssigned', hasUser && 'UserAssigned'].filter(Boolean)
  const user = identityIds.map((id) => {
    const { principalId, clientId } = identities.get(id) ?? {}
    return [id, { principalId, clientId }]
  })
  return {
    type: kinds.join(', '),
    principalId: systemPrincipalId,
    tenantId: hasSystem ? tenant.tenantId : undefined,
    userAssignedIdentities: hasUser ? Object.fromEntries(user) : undefined,
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

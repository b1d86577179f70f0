import { z } from 'zod'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Directory } from '../../directory/directory.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import { resourceNotFound } from '../error-response.ts'
import type { Identities } from '../managed-identity/identities.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import { locationSchema, settleLocation, tagsSchema } from '../validate.ts'
import { instanceName, type Machine, type Machines, type MachineType, machineTypes } from './machines.ts'

export interface MachineOptions {
  store: RecordStore
  tenant: Tenant
  directory: Directory
  identities: Identities
  machines: Machines
  roles: RoleAssignments
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

/** Virtual machines and scale sets: who they are, not what they run. https://learn.microsoft.com/rest/api/compute */
export function machineOperations(options: MachineOptions): ArmOperation[] {
  return machineTypes.flatMap((type) => operationsOf(type, options))
}

function operationsOf(type: MachineType, options: MachineOptions): ArmOperation[] {
  const { store, tenant, directory, identities, machines, roles } = options
  const word = type === 'Microsoft.Compute/virtualMachines' ? 'vm' : 'vmss'
  const inSubscription = '/subscriptions/:subscription'
  const provider = `providers/${type.toLowerCase()}`
  const onMachine = `${inSubscription}/resourcegroups/:group/${provider}/:name`

  function existing(call: ArmCall): Machine {
    const machine = machines.get(call.targetId)
    if (machine === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
    return machine
  }

  /** Applies `given` as a merge patch: identities that it does not name stay. */
  function settleIdentity(
    call: ArmCall,
    machine: Machine,
    given: GivenIdentity,
  ): { machine: Machine; changes: Change[] } {
    const wantsSystem = given.type.startsWith('systemassigned')
    const wantsUser = given.type.endsWith('userassigned')
    const named = Object.entries(given.userAssignedIdentities ?? {})
    const isNamed = (id: string) => named.some(([other]) => other.toLowerCase() === id.toLowerCase())
    const added = named.flatMap(([id, value]) => (value === null ? [] : [id]))
    for (const id of added) checkAssignable(call, id)
    const identityIds = wantsUser ? [...machine.identityIds.filter((id) => !isNamed(id)), ...added] : []
    const principal = directory.servicePrincipal(machine.systemPrincipalId ?? '')
    if (!wantsSystem) {
      const changes = principal === undefined ? [] : directory.removePrincipal(principal)
      return { machine: { ...machine, identityIds, systemPrincipalId: undefined }, changes }
    }
    if (principal !== undefined) return { machine: { ...machine, identityIds }, changes: [] }
    const made = directory.addManagedIdentity(machine.name, machine.id)
    return { machine: { ...machine, identityIds, systemPrincipalId: made.principal.id }, changes: made.changes }
  }

  function checkAssignable(call: ArmCall, identityId: string): void {
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

  function keep(status: number, machine: Machine, changes: readonly Change[]): ArmAnswer {
    store.commit([...changes, machines.put(machine)])
    return { status, body: render(machine) }
  }

  function render({ id, name, location, tags, sku, properties, ...machine }: Machine) {
    const identity = renderIdentity(machine)
    return {
      id,
      name,
      type,
      location,
      tags,
      ...(sku !== undefined && { sku }),
      ...(identity !== undefined && { identity }),
      properties: { ...properties, provisioningState: 'Succeeded' },
    }
  }

  function renderIdentity({ systemPrincipalId, identityIds }: Pick<Machine, 'systemPrincipalId' | 'identityIds'>) {
    const hasUser = identityIds.length > 0
    if (systemPrincipalId === undefined && !hasUser) return undefined
    const kinds = [systemPrincipalId !== undefined && 'SystemAssigned', hasUser && 'UserAssigned'].filter(Boolean)
    const user = identityIds.map((id) => {
      const { principalId, clientId } = identities.get(id) ?? {}
      return [id, { principalId, clientId }]
    })
    return {
      type: kinds.join(', '),
      ...(systemPrincipalId !== undefined && { principalId: systemPrincipalId, tenantId: tenant.tenantId }),
      ...(hasUser && { userAssignedIdentities: Object.fromEntries(user) }),
    }
  }

  const instances: ArmOperation = {
    operation: 'arm.vmssInstance.list',
    method: 'GET',
    path: `${onMachine}/virtualmachines`,
    action: `${type}/virtualMachines/read`,
    run: (call) => ({ status: 200, body: { value: renderInstances(existing(call)) } }),
  }

  return [
    ...(word === 'vmss' ? [instances] : []),
    {
      operation: `arm.${word}.put`,
      method: 'PUT',
      path: onMachine,
      action: `${type}/write`,
      async run(call) {
        const { location, tags, sku, properties, identity } = await call.body(putBody)
        const before = machines.get(call.targetId)
        const machine: Machine = {
          id: before?.id ?? call.targetId,
          type,
          name: before?.name ?? call.name('name'),
          location: settleLocation(location, before),
          tags,
          sku,
          properties: properties ?? {},
          systemPrincipalId: before?.systemPrincipalId,
          identityIds: before?.identityIds ?? [],
        }
        const settled = identity == null ? { machine, changes: [] } : settleIdentity(call, machine, identity)
        return keep(before === undefined ? 201 : 200, settled.machine, settled.changes)
      },
    },
    {
      operation: `arm.${word}.update`,
      method: 'PATCH',
      path: onMachine,
      action: `${type}/write`,
      async run(call) {
        const { tags, identity } = await call.body(patchBody)
        const before = existing(call)
        const machine = { ...before, tags: tags ?? before.tags }
        const settled = identity == null ? { machine, changes: [] } : settleIdentity(call, machine, identity)
        return keep(200, settled.machine, settled.changes)
      },
    },
    {
      operation: `arm.${word}.get`,
      method: 'GET',
      path: onMachine,
      action: `${type}/read`,
      run: (call) => ({ status: 200, body: render(existing(call)) }),
    },
    {
      operation: `arm.${word}.listByGroup`,
      method: 'GET',
      path: `${inSubscription}/resourcegroups/:group/${provider}`,
      action: `${type}/read`,
      run(call) {
        const prefix = `${call.targetId}/`.toLowerCase()
        const inside = machines.ofType(type).filter(({ id }) => id.toLowerCase().startsWith(prefix))
        return { status: 200, body: { value: inside.map(render) } }
      },
    },
    {
      operation: `arm.${word}.list`,
      method: 'GET',
      path: `${inSubscription}/${provider}`,
      action: `${type}/read`,
      run: () => ({ status: 200, body: { value: machines.ofType(type).map(render) } }),
    },
    {
      operation: `arm.${word}.delete`,
      method: 'DELETE',
      path: onMachine,
      action: `${type}/delete`,
      run(call) {
        const machine = machines.get(call.targetId)
        if (machine === undefined) return { status: 204 }
        store.commit([...machines.remove(machine), ...roles.removeUnder(machine.id)])
        return { status: 200 }
      },
    },
  ]
}

/** The machines of a scale set, as many as its capacity says. https://learn.microsoft.com/rest/api/compute/virtual-machine-scale-set-vms */
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

import { z } from 'zod'
import type { Clock } from '#lib'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Tenant } from '../../directory/tenant.ts'
import type { EventGridRecords } from '../../events/event-subscriptions.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Vault, Vaults } from '../../keyvault/vaults.ts'
import type { Cloud } from '../../proxy/clouds.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { existing, groupResourceOperations, isInGroup, pathsOf, resourceIdOf } from '../group-resources.ts'
import { type ArmAnswer, type ArmCall, type ArmOperation, armOperation } from '../operation.ts'
import type { ResourceKind } from '../resource-kind.ts'
import { resolveLocation } from '../validate.ts'
import { accessPolicyChanges } from './access-policy-changes.ts'
import { accessPoliciesBody, applyProperties, patchVaultBody, putVaultBody, renderVault } from './vault-body.ts'
import { checkNewVaultName, vaultNameAvailability } from './vault-name.ts'

export interface VaultOptions {
  store: RecordStore
  cloud: Cloud
  tenant: Tenant
  vaults: Vaults
  eventGrid: EventGridRecords
  roles: RoleAssignments
  clock: Clock
}

const type = 'Microsoft.KeyVault/vaults'
const checkNameBody = z.object({ name: z.string(), type: z.string() })

/** Vaults as resources. https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults */
export function vaultOperations(options: VaultOptions): ArmOperation[] {
  const { vaults } = options
  return [
    ...groupResourceOperations<Vault>({
      ...kindOf(options),
      operation: 'arm.vault',
      all: vaults.all,
      render: (vault) => render(options, vault),
      put: (call) => put(options, call),
      update: (call) => update(options, call),
      remove: (vault) => remove(options, vault),
    }),
    armOperation(
      'arm.vault.changeAccessPolicies',
      'PUT',
      `${pathsOf(type).one}/accesspolicies/:change`,
      `${type}/accessPolicies/write`,
      (call) => changePolicies(options, call),
    ),
    {
      operation: 'arm.vault.checkName',
      method: 'POST',
      path: '/subscriptions/:subscription/providers/microsoft.keyvault/checknameavailability',
      action: 'Microsoft.KeyVault/checkNameAvailability/read',
      async run(call) {
        const { name } = await call.body(checkNameBody)
        return { status: 200, body: vaultNameAvailability(vaults, name) }
      },
    },
  ]
}

async function put(options: VaultOptions, call: ArmCall): Promise<ArmAnswer> {
  const context = contextOf(options, call)
  const { location, tags, properties: given } = await call.body(putVaultBody)
  const before = find(options, call)
  if (before !== undefined) {
    resolveLocation(location, before)
    const properties = applyProperties(given, before.properties, context)
    return store(options, { ...before, tags, properties, ...stamp(options, call) })
  }
  const name = call.name('name')
  if (given.createMode === 'recover') return recover(options, name)
  checkNewVaultName(options.vaults, name)
  const { modifiedAt, modifiedBy } = stamp(options, call)
  const { vault, changes } = options.vaults.create({
    id: resourceIdOf(type, call),
    name,
    location: resolveLocation(location, undefined),
    tags,
    properties: applyProperties(given, undefined, context),
    createdAt: modifiedAt,
    createdBy: modifiedBy,
    modifiedAt,
    modifiedBy,
  })
  options.store.commit(changes)
  return { status: 201, body: render(options, vault) }
}

function contextOf({ tenant }: VaultOptions, { url }: ArmCall) {
  return { tenantId: tenant.tenantId, apiVersion: url.searchParams.get('api-version') ?? '' }
}

function kindOf(options: VaultOptions) {
  return { type, find: (call: ArmCall) => find(options, call) }
}

function find({ vaults }: VaultOptions, call: ArmCall): Vault | undefined {
  const vault = vaults.get(call.name('name'))
  return vault !== undefined && isInGroup(vault, call) ? vault : undefined
}

function stamp({ clock }: VaultOptions, call: ArmCall): Pick<Vault, 'modifiedAt' | 'modifiedBy'> {
  return { modifiedAt: new Date(clock.now()).toISOString(), modifiedBy: call.caller.appid }
}

function store(options: VaultOptions, vault: Vault): ArmAnswer {
  options.store.commit([options.vaults.put(vault)])
  return { status: 200, body: render(options, vault) }
}

function recover(options: VaultOptions, name: string): ArmAnswer {
  const vault = options.vaults.deleted(name)
  if (vault === undefined) {
    const message = `Cannot recover the vault '${name}': there is no deleted vault of that name.`
    throw new Refusal(404, 'VaultNotFound', message)
  }
  options.store.commit([options.vaults.recover(vault)])
  return { status: 200, body: render(options, vault) }
}

async function update(options: VaultOptions, call: ArmCall): Promise<ArmAnswer> {
  const { tags, properties: given = {} } = await call.body(patchVaultBody)
  const before = existing(kindOf(options), call)
  const properties = applyProperties(given, before.properties, contextOf(options, call))
  return store(options, { ...before, tags: tags ?? before.tags, properties, ...stamp(options, call) })
}

function remove(options: VaultOptions, vault: Vault): ArmAnswer {
  const { store, vaults, eventGrid, roles } = options
  store.commit([vaults.softDelete(vault), ...eventGrid.removeSource(vault.id), ...roles.removeUnder(vault.id)])
  return { status: 200 }
}

async function changePolicies(options: VaultOptions, call: ArmCall): Promise<ArmAnswer> {
  const { properties } = await call.body(accessPoliciesBody)
  const vault = existing(kindOf(options), call)
  const change = accessPolicyChanges.get(call.name('change').toLowerCase())
  if (change === undefined) {
    const words = [...accessPolicyChanges.keys()].join(', ')
    throw new Refusal(400, 'BadRequest', `The operation '${call.name('change')}' is not one of ${words}.`)
  }
  const accessPolicies = change(vault.properties.accessPolicies, properties.accessPolicies)
  store(options, { ...vault, properties: { ...vault.properties, accessPolicies }, ...stamp(options, call) })
  return {
    status: 200,
    body: { id: `${vault.id}/accessPolicies/`, type: `${type}/accessPolicies`, properties: { accessPolicies } },
  }
}

function render({ cloud }: VaultOptions, vault: Vault) {
  return renderVault(vault, `https://${vault.name.toLowerCase()}.${cloud.vaultSuffix}/`)
}

/** Vaults as a kind of resource, for the groups that contain them. */
export function vaultKind(vaults: Vaults, eventGrid: EventGridRecords): ResourceKind {
  return {
    type,
    all: () => vaults.all().map(({ id, name, location, tags }) => ({ id, name, type, location, tags })),
    delete(id) {
      const vault = vaults.all().find((each) => each.id.toLowerCase() === id.toLowerCase())
      return vault === undefined ? [] : [vaults.softDelete(vault), ...eventGrid.removeSource(vault.id)]
    },
  }
}

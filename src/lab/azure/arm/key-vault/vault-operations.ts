import { z } from 'zod'
import type { Clock } from '#lib'
import type { RoleAssignments } from '../../access/role-assignments.ts'
import type { Tenant } from '../../directory/tenant.ts'
import { Refusal } from '../../http/refusal.ts'
import type { Vault, Vaults } from '../../keyvault/vaults.ts'
import type { Cloud } from '../../proxy/clouds.ts'
import type { RecordStore } from '../../records/record-store.ts'
import { resourceNotFound } from '../error-response.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from '../operation.ts'
import type { ResourceKind } from '../resource-kind.ts'
import { groupNameOf } from '../resource-path.ts'
import { settleLocation } from '../validate.ts'
import { accessPolicyChanges } from './access-policy-changes.ts'
import { accessPoliciesBody, patchVaultBody, putVaultBody, renderVault, settleProperties } from './vault-body.ts'
import { checkNewVaultName, vaultNameAvailability } from './vault-name.ts'

export interface VaultOptions {
  store: RecordStore
  cloud: Cloud
  tenant: Tenant
  vaults: Vaults
  roles: RoleAssignments
  clock: Clock
}

const type = 'Microsoft.KeyVault/vaults'
const inSubscription = '/subscriptions/:subscription/providers/microsoft.keyvault'
const inGroup = '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.keyvault'
const onVault = `${inGroup}/vaults/:name`

const checkNameBody = z.object({ name: z.string(), type: z.string() })

/** Vaults as resources. https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults */
export function vaultOperations({ store, cloud, tenant, vaults, roles, clock }: VaultOptions): ArmOperation[] {
  const render = (vault: Vault) => renderVault(vault, `https://${vault.name.toLowerCase()}.${cloud.vaultSuffix}/`)

  function find(call: ArmCall): Vault | undefined {
    const vault = vaults.get(call.name('name'))
    return vault !== undefined && isIn(vault, call) ? vault : undefined
  }
  function existing(call: ArmCall): Vault {
    const vault = find(call)
    if (vault === undefined) throw resourceNotFound(type, call.name('name'), call.name('group'))
    return vault
  }
  function stamp(call: ArmCall): Pick<Vault, 'modifiedAt' | 'modifiedBy'> {
    return { modifiedAt: new Date(clock.now()).toISOString(), modifiedBy: call.caller.appid }
  }
  function keep(vault: Vault): ArmAnswer {
    store.commit([vaults.put(vault)])
    return { status: 200, body: render(vault) }
  }

  async function put(call: ArmCall): Promise<ArmAnswer> {
    const { location, tags, properties } = await call.body(putVaultBody)
    const before = find(call)
    if (before !== undefined) {
      settleLocation(location, before)
      const settled = settleProperties(properties, before.properties, tenant.tenantId)
      return keep({ ...before, tags, properties: settled, ...stamp(call) })
    }
    if (properties.createMode === 'recover') return recover(call.name('name'))
    const name = call.name('name')
    checkNewVaultName(vaults, name)
    const { modifiedAt, modifiedBy } = stamp(call)
    const { vault, changes } = vaults.create({
      id: `/subscriptions/${call.name('subscription')}/resourceGroups/${call.name('group')}/providers/${type}/${name}`,
      name,
      location: settleLocation(location, undefined),
      tags,
      properties: settleProperties(properties, undefined, tenant.tenantId),
      createdAt: modifiedAt,
      createdBy: modifiedBy,
      modifiedAt,
      modifiedBy,
    })
    store.commit(changes)
    return { status: 201, body: render(vault) }
  }

  function recover(name: string): ArmAnswer {
    const vault = vaults.deleted(name)
    if (vault === undefined) {
      const message = `Cannot recover the vault '${name}': there is no deleted vault of that name.`
      throw new Refusal(404, 'VaultNotFound', message)
    }
    store.commit([vaults.recover(vault)])
    return { status: 200, body: render(vault) }
  }

  async function changePolicies(call: ArmCall): Promise<ArmAnswer> {
    const { properties } = await call.body(accessPoliciesBody)
    const vault = existing(call)
    const change = accessPolicyChanges.get(call.name('change').toLowerCase())
    if (change === undefined) {
      const words = [...accessPolicyChanges.keys()].join(', ')
      throw new Refusal(400, 'BadRequest', `The operation '${call.name('change')}' is not one of ${words}.`)
    }
    const accessPolicies = change(vault.properties.accessPolicies, properties.accessPolicies)
    keep({ ...vault, properties: { ...vault.properties, accessPolicies }, ...stamp(call) })
    return {
      status: 200,
      body: { id: `${vault.id}/accessPolicies/`, type: `${type}/accessPolicies`, properties: { accessPolicies } },
    }
  }

  return [
    { operation: 'arm.vault.put', method: 'PUT', path: onVault, action: `${type}/write`, run: put },
    {
      operation: 'arm.vault.update',
      method: 'PATCH',
      path: onVault,
      action: `${type}/write`,
      async run(call) {
        const { tags, properties = {} } = await call.body(patchVaultBody)
        const before = existing(call)
        const settled = settleProperties(properties, before.properties, tenant.tenantId)
        return keep({ ...before, tags: tags ?? before.tags, properties: settled, ...stamp(call) })
      },
    },
    {
      operation: 'arm.vault.get',
      method: 'GET',
      path: onVault,
      action: `${type}/read`,
      run: (call) => ({ status: 200, body: render(existing(call)) }),
    },
    {
      operation: 'arm.vault.delete',
      method: 'DELETE',
      path: onVault,
      action: `${type}/delete`,
      run(call) {
        const vault = find(call)
        if (vault === undefined) return { status: 204 }
        store.commit([vaults.softDelete(vault), ...roles.removeUnder(vault.id)])
        return { status: 200 }
      },
    },
    {
      operation: 'arm.vault.listByGroup',
      method: 'GET',
      path: `${inGroup}/vaults`,
      action: `${type}/read`,
      run: (call) => ({
        status: 200,
        body: {
          value: vaults
            .all()
            .filter((vault) => isIn(vault, call))
            .map(render),
        },
      }),
    },
    {
      operation: 'arm.vault.list',
      method: 'GET',
      path: `${inSubscription}/vaults`,
      action: `${type}/read`,
      run: () => ({ status: 200, body: { value: vaults.all().map(render) } }),
    },
    {
      operation: 'arm.vault.changeAccessPolicies',
      method: 'PUT',
      path: `${onVault}/accesspolicies/:change`,
      action: `${type}/accessPolicies/write`,
      run: changePolicies,
    },
    {
      operation: 'arm.vault.checkName',
      method: 'POST',
      path: `${inSubscription}/checknameavailability`,
      action: 'Microsoft.KeyVault/checkNameAvailability/read',
      async run(call) {
        const { name } = await call.body(checkNameBody)
        return { status: 200, body: vaultNameAvailability(vaults, name) }
      },
    },
  ]
}

/** Vaults as a kind of resource: what a group holds and deletes. */
export function vaultKind(vaults: Vaults): ResourceKind {
  return {
    type,
    all: () => vaults.all().map(({ id, name, location, tags }) => ({ id, name, type, location, tags })),
    delete(id) {
      const vault = vaults.all().find((each) => each.id.toLowerCase() === id.toLowerCase())
      return vault === undefined ? [] : [vaults.softDelete(vault)]
    },
  }
}

function isIn(vault: Vault, call: ArmCall): boolean {
  return groupNameOf(vault.id)?.toLowerCase() === call.name('group').toLowerCase()
}

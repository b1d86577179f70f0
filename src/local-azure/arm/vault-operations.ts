import { z } from 'zod'
import type { Clock } from '../../lib/index.ts'
import type { RoleAssignments } from '../access/role-assignments.ts'
import type { Tenant } from '../directory/tenant.ts'
import { vaultNamePattern } from '../keyvault/limits.ts'
import type { AccessPolicy, Vault, Vaults } from '../keyvault/vaults.ts'
import type { Cloud } from '../proxy/clouds.ts'
import type { Change, RecordStore } from '../records/record-store.ts'
import { ArmError, resourceNotFound } from './error-response.ts'
import type { ArmAnswer, ArmCall, ArmOperation } from './operation.ts'
import type { ResourceKind } from './resource-kind.ts'
import { groupIdOf } from './resource-path.ts'
import { settleLocation } from './validate.ts'
import { accessPoliciesBody, patchVaultBody, putVaultBody, renderVault, settleProperties } from './vault-body.ts'

export interface VaultOptions {
  store: RecordStore
  cloud: Cloud
  tenant: Tenant
  vaults: Vaults
  roles: RoleAssignments
  /** The changes that remove everything inside a vault. */
  purgeObjects: (vaultUid: string) => Change[]
  clock: Clock
}

const type = 'Microsoft.KeyVault/vaults'
const inSubscription = '/subscriptions/:subscription/providers/microsoft.keyvault'
const inGroup = '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.keyvault'
const onVault = `${inGroup}/vaults/:name`
const onDeletedVault = `${inSubscription}/locations/:location/deletedvaults/:name`

const checkNameBody = z.object({ name: z.string(), type: z.string() })

/** Vaults as resources. https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults */
export function vaultOperations(options: VaultOptions): ArmOperation[] {
  const { store, cloud, tenant, vaults, roles, purgeObjects, clock } = options
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
  function existingDeleted(call: ArmCall): Vault {
    const vault = vaults.deleted(call.name('name'))
    if (vault !== undefined) return vault
    throw new ArmError(
      404,
      'DeletedVaultNotFound',
      `The specified deleted vault '${call.name('name')}' does not exist.`,
    )
  }
  function stamp(call: ArmCall): Pick<Vault, 'modifiedAt' | 'modifiedBy'> {
    return { modifiedAt: new Date(clock.now()).toISOString(), modifiedBy: call.caller.appid }
  }

  async function put(call: ArmCall): Promise<ArmAnswer> {
    const { location, tags, properties } = await call.body(putVaultBody)
    const name = call.name('name')
    const before = find(call)
    if (before !== undefined) {
      settleLocation(location, before)
      return update({
        ...before,
        tags,
        properties: settleProperties(properties, before.properties, tenant.tenantId),
        ...stamp(call),
      })
    }
    if (properties.createMode === 'recover') return recover(name)
    checkNewName(name)
    const { modifiedAt, modifiedBy } = stamp(call)
    const { vault, change } = vaults.create({
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
    store.commit([change])
    return { status: 201, body: render(vault) }
  }

  function update(vault: Vault): ArmAnswer {
    store.commit([vaults.put(vault)])
    return { status: 200, body: render(vault) }
  }

  function recover(name: string): ArmAnswer {
    const vault = vaults.deleted(name)
    if (vault === undefined) {
      throw new ArmError(
        404,
        'VaultNotFound',
        `Cannot recover the vault '${name}': there is no deleted vault of that name.`,
      )
    }
    store.commit([vaults.recover(vault)])
    return { status: 200, body: render(vault) }
  }

  function checkNewName(name: string): void {
    if (!vaultNamePattern.test(name)) {
      throw new ArmError(
        400,
        'VaultNameNotValid',
        `The vault name '${name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742`,
      )
    }
    if (vaults.deleted(name) !== undefined) {
      throw new ArmError(
        409,
        'ConflictError',
        `A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.`,
      )
    }
    if (vaults.get(name) !== undefined) {
      throw new ArmError(
        409,
        'VaultAlreadyExists',
        `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, see https://go.microsoft.com/fwlink/?linkid=2147740`,
      )
    }
  }

  async function changePolicies(call: ArmCall): Promise<ArmAnswer> {
    const { properties } = await call.body(accessPoliciesBody)
    const vault = existing(call)
    const change = policyChanges[call.name('change').toLowerCase()]
    if (change === undefined) {
      throw new ArmError(
        400,
        'BadRequest',
        `The access policy operation '${call.name('change')}' is not one of add, replace, remove.`,
      )
    }
    const accessPolicies = change(vault.properties.accessPolicies, properties.accessPolicies)
    update({ ...vault, properties: { ...vault.properties, accessPolicies }, ...stamp(call) })
    return {
      status: 200,
      body: { id: `${vault.id}/accessPolicies/`, type: `${type}/accessPolicies`, properties: { accessPolicies } },
    }
  }

  function renderDeleted(vault: Vault) {
    const { id, name, location, tags, properties, deletion } = vault
    return {
      id: `/subscriptions/${tenant.subscriptionId}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/${name}`,
      name,
      type: 'Microsoft.KeyVault/deletedVaults',
      properties: {
        vaultId: id,
        location,
        tags,
        deletionDate: deletion?.deletedAt,
        scheduledPurgeDate: deletion?.purgeAt,
        ...(properties.enablePurgeProtection === true && { purgeProtectionEnabled: true }),
      },
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
        const vault = existing(call)
        return update({
          ...vault,
          tags: tags ?? vault.tags,
          properties: settleProperties(properties, vault.properties, tenant.tenantId),
          ...stamp(call),
        })
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
        return { status: 200, body: nameAvailability(() => checkNewName(name)) }
      },
    },
    {
      operation: 'arm.deletedVault.list',
      method: 'GET',
      path: `${inSubscription}/deletedvaults`,
      action: 'Microsoft.KeyVault/deletedVaults/read',
      run: () => ({ status: 200, body: { value: vaults.allDeleted().map(renderDeleted) } }),
    },
    {
      operation: 'arm.deletedVault.get',
      method: 'GET',
      path: onDeletedVault,
      action: 'Microsoft.KeyVault/locations/deletedVaults/read',
      run: (call) => ({ status: 200, body: renderDeleted(existingDeleted(call)) }),
    },
    {
      operation: 'arm.deletedVault.purge',
      method: 'POST',
      path: `${onDeletedVault}/purge`,
      action: 'Microsoft.KeyVault/locations/deletedVaults/purge/action',
      run(call) {
        const vault = existingDeleted(call)
        if (vault.properties.enablePurgeProtection === true) {
          throw new ArmError(405, 'MethodNotAllowed', "Operation 'DeletedVaultPurge' is not allowed.")
        }
        store.commit([vaults.purge(vault), ...purgeObjects(vault.uid)])
        return { status: 202 }
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
  return groupIdOf(vault.id)?.split('/').at(-1)?.toLowerCase() === call.name('group').toLowerCase()
}

function nameAvailability(check: () => void) {
  try {
    check()
    return { nameAvailable: true }
  } catch (error) {
    if (!(error instanceof ArmError)) throw error
    const reason = error.status === 400 ? 'AccountNameInvalid' : 'AlreadyExists'
    return { nameAvailable: false, reason, message: error.message }
  }
}

type PolicyChange = (before: readonly AccessPolicy[], given: readonly AccessPolicy[]) => AccessPolicy[]

const kinds = ['keys', 'secrets', 'certificates', 'storage'] as const

/** How `accessPolicies/add`, `/replace` and `/remove` change the list. */
const policyChanges: Record<string, PolicyChange> = {
  add: (before, given) => [
    ...before.map((policy) => {
      const more = given.find((other) => isSameHolder(policy, other))
      return more === undefined
        ? policy
        : combine(policy, more, (a, b) => [...a, ...b.filter((word) => !includesWord(a, word))])
    }),
    ...given.filter((policy) => !before.some((other) => isSameHolder(policy, other))),
  ],
  replace: (before, given) => [
    ...before.filter((policy) => !given.some((other) => isSameHolder(policy, other))),
    ...given,
  ],
  remove: (before, given) =>
    before
      .map((policy) => {
        const less = given.find((other) => isSameHolder(policy, other))
        return less === undefined ? policy : combine(policy, less, (a, b) => a.filter((word) => !includesWord(b, word)))
      })
      .filter(({ permissions }) => kinds.some((kind) => (permissions[kind] ?? []).length > 0)),
}

function combine(a: AccessPolicy, b: AccessPolicy, join: (a: string[], b: string[]) => string[]): AccessPolicy {
  const permissions = Object.fromEntries(
    kinds.map((kind) => [kind, join(a.permissions[kind] ?? [], b.permissions[kind] ?? [])]),
  )
  return { ...a, permissions }
}

/** Permissions have no case. */
function includesWord(words: readonly string[], word: string): boolean {
  return words.some((other) => other.toLowerCase() === word.toLowerCase())
}

function isSameHolder(a: AccessPolicy, b: AccessPolicy): boolean {
  return a.objectId.toLowerCase() === b.objectId.toLowerCase() && a.applicationId === b.applicationId
}

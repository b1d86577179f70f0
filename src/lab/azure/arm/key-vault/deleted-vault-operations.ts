import { Refusal } from '../../http/refusal.ts'
import type { Vault, Vaults } from '../../keyvault/vaults.ts'
import type { RecordStore } from '../../records/record-store.ts'
import type { LongOperations } from '../long-operations.ts'
import { type ArmCall, type ArmOperation, armOperation } from '../operation.ts'

export interface DeletedVaultOptions {
  store: RecordStore
  subscriptionId: string
  vaults: Vaults
  longOperations: LongOperations
}

const inSubscription = '/subscriptions/:subscription/providers/microsoft.keyvault'
const onDeletedVault = `${inSubscription}/locations/:location/deletedvaults/:name`

/** Soft-deleted vaults. https://learn.microsoft.com/rest/api/keyvault/keyvault/vaults/list-deleted */
export function deletedVaultOperations(options: DeletedVaultOptions): ArmOperation[] {
  const { store, subscriptionId, vaults, longOperations } = options

  function existing(call: ArmCall): Vault {
    const vault = vaults.deleted(call.name('name'))
    if (vault !== undefined) return vault
    throw new Refusal(404, 'DeletedVaultNotFound', `The specified deleted vault '${call.name('name')}' does not exist.`)
  }

  function render({ id, name, location, tags, properties, deletion }: Vault) {
    return {
      id: `/subscriptions/${subscriptionId}/providers/Microsoft.KeyVault/locations/${location}/deletedVaults/${name}`,
      name,
      type: 'Microsoft.KeyVault/deletedVaults',
      properties: {
        vaultId: id,
        location,
        tags,
        deletionDate: deletion?.deletedAt,
        scheduledPurgeDate: deletion?.purgeAt,
        purgeProtectionEnabled: properties.enablePurgeProtection,
      },
    }
  }

  return [
    armOperation(
      'arm.deletedVault.list',
      'GET',
      `${inSubscription}/deletedvaults`,
      'Microsoft.KeyVault/deletedVaults/read',
      () => ({ status: 200, body: { value: vaults.allDeleted().map(render) } }),
    ),
    armOperation(
      'arm.deletedVault.get',
      'GET',
      onDeletedVault,
      'Microsoft.KeyVault/locations/deletedVaults/read',
      (call) => ({ status: 200, body: render(existing(call)) }),
    ),
    {
      operation: 'arm.deletedVault.purge',
      method: 'POST',
      path: `${onDeletedVault}/purge`,
      action: 'Microsoft.KeyVault/locations/deletedVaults/purge/action',
      run(call) {
        const vault = existing(call)
        if (vault.properties.enablePurgeProtection === true) {
          throw new Refusal(405, 'MethodNotAllowed', "Operation 'DeletedVaultPurge' is not allowed.")
        }
        return { status: 202, headers: longOperations.startForResult(async () => store.commit(vaults.purge(vault))) }
      },
    },
  ]
}

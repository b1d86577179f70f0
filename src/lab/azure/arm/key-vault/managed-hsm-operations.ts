import { z } from 'zod'
import { vaultNamePattern } from '../../keyvault/limits.ts'
import { type ArmOperation, armOperation } from '../operation.ts'

const inSubscription = '/subscriptions/:subscription/providers/microsoft.keyvault'

/**
 * The requests about managed HSMs that `az keyvault list`, `list-deleted` and `check-name` send besides those about vaults.
 * There are no managed HSMs here, and they cannot be created. https://learn.microsoft.com/rest/api/keyvault/managedhsm/managed-hsms
 */
export function managedHsmOperations(): ArmOperation[] {
  const none = () => ({ status: 200, body: { value: [] } })
  return [
    armOperation(
      'arm.managedHsm.list',
      'GET',
      `${inSubscription}/managedhsms`,
      'Microsoft.KeyVault/managedHSMs/read',
      none,
    ),
    armOperation(
      'arm.managedHsm.listByGroup',
      'GET',
      '/subscriptions/:subscription/resourcegroups/:group/providers/microsoft.keyvault/managedhsms',
      'Microsoft.KeyVault/managedHSMs/read',
      none,
    ),
    armOperation(
      'arm.deletedManagedHsm.list',
      'GET',
      `${inSubscription}/deletedmanagedhsms`,
      'Microsoft.KeyVault/deletedManagedHSMs/read',
      none,
    ),
    {
      operation: 'arm.managedHsm.checkName',
      method: 'POST',
      path: `${inSubscription}/checkmhsmnameavailability`,
      action: 'Microsoft.KeyVault/checkMhsmNameAvailability/read',
      async run(call) {
        const { name } = await call.body(z.object({ name: z.string() }))
        if (vaultNamePattern.test(name)) return { status: 200, body: { nameAvailable: true } }
        const message = `The managed HSM name '${name}' is invalid: it must have 3 to 24 letters, digits and hyphens.`
        return { status: 200, body: { nameAvailable: false, reason: 'AccountNameInvalid', message } }
      },
    },
  ]
}

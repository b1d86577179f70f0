import { Refusal } from '../../http/refusal.ts'
import { vaultNamePattern } from '../../keyvault/limits.ts'
import type { Vaults } from '../../keyvault/vaults.ts'

/** Throws {@link Refusal} when a new vault cannot have this name. Names are global, because they are host names. */
export function checkNewVaultName(vaults: Vaults, name: string): void {
  if (!vaultNamePattern.test(name)) {
    throw new Refusal(
      400,
      'VaultNameNotValid',
      `The vault name '${name}' is invalid. A vault's name must be between 3-24 alphanumeric characters. The name must begin with a letter, end with a letter or digit, and not contain consecutive hyphens. Follow this link for more information: https://go.microsoft.com/fwlink/?linkid=2147742`,
    )
  }
  if (vaults.deleted(name) !== undefined) {
    throw new Refusal(
      409,
      'ConflictError',
      'A vault with the same name already exists in deleted state. You need to either recover or purge existing key vault. Follow this link https://go.microsoft.com/fwlink/?linkid=2149745 for more information on soft delete.',
    )
  }
  if (vaults.get(name) !== undefined) {
    throw new Refusal(
      409,
      'VaultAlreadyExists',
      `The vault name '${name}' is already in use. Vault names are globally unique so it is possible that the name is already taken. If you are sure that the vault name was not taken then it is possible that a vault with the same name was recently deleted but not purged after being placed in a recoverable state. If the vault is in a recoverable state then the vault will need to be purged before reusing the name. For more information about VaultAlreadyExists, see https://go.microsoft.com/fwlink/?linkid=2147740`,
    )
  }
}

/** The answer of `checkNameAvailability`. */
export function vaultNameAvailability(vaults: Vaults, name: string) {
  try {
    checkNewVaultName(vaults, name)
    return { nameAvailable: true }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const reason = error.status === 400 ? 'AccountNameInvalid' : 'AlreadyExists'
    return { nameAvailable: false, reason, message: error.message }
  }
}

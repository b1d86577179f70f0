import type { LabAzure } from '../azure/lab-azure.ts'

export interface VaultSpec {
  /** Also the first label of its host name: 3 to 24 letters, digits and hyphens. */
  name: string
  /** Values by name. */
  secrets: Readonly<Record<string, string>>
}

/** Creates a vault with these secrets, in which the signed-in principal may use secrets, keys and certificates. */
export async function createVaultWithSecrets(azure: LabAzure, { name, secrets }: VaultSpec): Promise<void> {
  await azure.createResourceGroup()
  await azure.createVault(name)
  await azure.assignRole({ role: 'Key Vault Administrator', principalId: await azure.principalId(), vault: name })
  for (const [secret, value] of Object.entries(secrets)) await azure.setSecret(name, secret, value)
}

export function vaultUrlOf(name: string): string {
  return `https://${name.toLowerCase()}.vault.azure.net/`
}

import { ManagedIdentityCredential, WorkloadIdentityCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'

/**
 * An application as people write them, with nothing but the official SDKs: prints the secret `ExampleSecret` of the vault that
 * VAULT names. With CREDENTIAL=imds it is an old one, which knows managed identity only.
 */
async function main(): Promise<void> {
  const { VAULT = '', CREDENTIAL = '' } = process.env
  const credential = CREDENTIAL === 'imds' ? new ManagedIdentityCredential() : new WorkloadIdentityCredential()
  const client = new SecretClient(`https://${VAULT}.vault.azure.net`, credential)
  const { value = '' } = await client.getSecret('ExampleSecret')
  process.stdout.write(value)
}

void main()

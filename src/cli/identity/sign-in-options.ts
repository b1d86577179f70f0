import { type Command, Option } from 'commander'
import type { ClusterOption } from '../options.ts'

/** How the user wants to sign in to Azure, as the command line gives it. */
export interface AzureFlags {
  azureEnv?: string | undefined
  subscriptionId?: string | undefined
  tenantId?: string | undefined
  authMethod?: string | undefined
  clientId?: string | undefined
  clientSecretFile?: string | undefined
  certificatePath?: string | undefined
  privateKeyPath?: string | undefined
}

export const authMethods = [
  'cli',
  'client_secret',
  'client_certificate',
  'workload_identity',
  'managed_identity',
] as const

/** The options of every command that works with Azure and a cluster. */
export interface SignInOptions extends AzureFlags, ClusterOption {
  clientSecret?: string | undefined
}

/** How to sign in to Azure. The flags are those of azwi, with two more methods. */
export function addSignIn(command: Command): Command {
  return command
    .optionsGroup('Sign-in to Azure:')
    .option('--azure-env <cloud>', 'AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud', 'AzurePublicCloud')
    .option('-s, --subscription-id <id>', 'subscription (default: AZURE_SUBSCRIPTION_ID, or the one that az uses)')
    .option('--tenant-id <id>', 'tenant (default: AZURE_TENANT_ID, or the tenant of the subscription)')
    .addOption(
      new Option('--auth-method <method>', 'how to sign in; cli uses the sign-in of az')
        .choices([...authMethods])
        .default('cli'),
    )
    .option('--client-id <id>', 'application or managed identity that signs in (default: AZURE_CLIENT_ID)')
    .option('--client-secret-file <file>', 'file with its secret (default: AZURE_CLIENT_SECRET)')
    .option('--certificate-path <file>', 'its certificate, PEM (default: AZURE_CLIENT_CERTIFICATE_PATH)')
    .option('--private-key-path <file>', 'the key of the certificate, PEM, unless it is in the same file')
    .addOption(new Option('--client-secret <secret>').hideHelp())
}

import { type Command, Option } from 'commander'
import { chosenHome } from '#lab/home'
import type { CliWorld } from '#terminal'
import { CliError, exitCodes } from '#terminal'
import { type AzureFlags, authMethods } from './azure-flags.ts'

/** What the commands of this folder are made with. */
export interface CommandsContext {
  world: CliWorld
  /** Sets the exit status of the run. */
  finish: (exitCode: number) => void
}

/** The options that every command with Azure has. */
export interface SignInOptions extends AzureFlags {
  clientSecret?: string
  home?: string
  kubeconfig?: string
}

/** How to sign in to Azure; upstream's names, and two methods more. */
export function withSignIn(command: Command): Command {
  return command
    .optionsGroup('Sign-in to Azure:')
    .option('--azure-env <cloud>', 'AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud', 'AzurePublicCloud')
    .option('-s, --subscription-id <id>', 'default: AZURE_SUBSCRIPTION_ID, or the one that az has chosen')
    .option('--tenant-id <id>', 'default: AZURE_TENANT_ID, or the tenant of the subscription')
    .addOption(
      new Option('--auth-method <method>', 'how: cli is the sign-in of az').choices([...authMethods]).default('cli'),
    )
    .option('--client-id <id>', 'of the application or managed identity that signs in (default: AZURE_CLIENT_ID)')
    .option('--client-secret-file <file>', 'its secret (default: AZURE_CLIENT_SECRET)')
    .option('--certificate-path <file>', 'its certificate, PEM (default: AZURE_CLIENT_CERTIFICATE_PATH)')
    .option('--private-key-path <file>', 'the key of the certificate, PEM, unless it is in the same file')
    .addOption(new Option('--client-secret <secret>').hideHelp())
}

/** Which cluster. */
export function withCluster(command: Command): Command {
  return command
    .optionsGroup('Cluster:')
    .option('--kubeconfig <file>', 'default: KUBECONFIG, or the lab’s')
    .addOption(new Option('--home <directory>').hideHelp())
}

/** A secret on a command line is seen by everybody who may list processes, and stays in the shell's history. */
export function refuseSecretOnCommandLine({ clientSecret }: SignInOptions): void {
  if (clientSecret === undefined) return
  throw new CliError({
    what: '--client-secret is not taken from the command line',
    why: 'other users of this machine would see it in the list of processes',
    fix: ['export AZURE_CLIENT_SECRET', 'or write it to a file: --client-secret-file FILE'],
    exitCode: exitCodes.usage,
  })
}

/** The lab whose cluster is taken when no other is named. */
export function homeOf({ world }: CommandsContext, { home }: { home?: string }) {
  return chosenHome(world, home)
}

/** Reads an option that may be repeated and hold several names with commas. */
export function splitNames(text: string, before: string[] = []): string[] {
  const names = text.split(',').map((name) => name.trim())
  return [...before, ...names.filter((name) => name !== '')]
}

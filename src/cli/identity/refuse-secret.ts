import { CliError } from '#terminal'
import type { SignInOptions } from './sign-in-options.ts'

/** A secret on a command line is visible to everyone who can list processes, and stays in the history of the shell. */
export function refuseSecretOnCommandLine({ clientSecret }: SignInOptions): void {
  if (clientSecret === undefined) return
  throw new CliError({
    what: '--client-secret is not accepted on the command line',
    why: 'other users of this machine would see it in the list of processes',
    fix: ['put it in the environment: AZURE_CLIENT_SECRET', 'or in a file: --client-secret-file FILE'],
    code: 'usage',
  })
}

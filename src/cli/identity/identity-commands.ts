import type { Command } from 'commander'
import type { CommandsContext } from './command-options.ts'
import { addDoctor } from './doctor/doctor-command.ts'
import { addJwks } from './jwks-command.ts'
import { addServiceAccount } from './serviceaccount/serviceaccount-commands.ts'

/** `keymount identity …`. Each command is loaded when it runs. */
export function addIdentity(program: Command, context: CommandsContext): void {
  const identity = program
    .command('identity')
    .summary('let service accounts sign in to Azure, and find out why they do not')
    .description(
      'Workload identity from the command line: the application or managed identity, the service account, the federated ' +
        'credential and the role; the issuer’s documents; and why a pod does not sign in. The flags are those of azwi.',
    )
  addServiceAccount(identity, context)
  addJwks(identity, context)
  addDoctor(identity, context)
}

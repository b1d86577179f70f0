import { type CommandDefinition, defineCommand } from './command.ts'

/**
 * A daemon in the list of commands. `src/bin/cli.ts` starts the program of this name before the command line is parsed: its
 * flags, and so its help, are its own.
 */
export function daemonCommand(name: string, summary: string): CommandDefinition {
  return defineCommand({
    name,
    group: 'daemon',
    summary,
    options(command) {
      command.helpOption(false).allowUnknownOption().allowExcessArguments()
    },
  })
}

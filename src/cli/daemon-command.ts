import { type CommandDefinition, type CommandGroup, defineCommand } from './command.ts'

/**
 * A daemon, or another program of the image, in the list of commands. `src/bin/cli.ts` starts the program of this name before the command line is parsed: its
 * flags, and so its help, are its own.
 */
export function daemonCommand(name: string, summary: string, group: CommandGroup = 'daemon'): CommandDefinition {
  return defineCommand({
    name,
    group,
    summary,
    options(command) {
      command.helpOption(false).allowUnknownOption().allowExcessArguments()
    },
  })
}

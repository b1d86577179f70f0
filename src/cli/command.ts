import type { Command } from 'commander'
import type { CliWorld } from '#terminal'

/** Headings of `keymount --help`, in their order. */
export const commandGroups = {
  lab: 'The lab:',
  cluster: 'Any cluster with Keymount:',
  daemon: 'Daemons, in the foreground:',
  init: 'Init containers:',
  general: 'General:',
} as const

export type CommandGroup = keyof typeof commandGroups

/** What a command was called with. */
export interface Invocation<Options = Record<string, unknown>> {
  options: Options
  /** Its arguments, in the order of the definition; undefined for an optional one that was left out. */
  words: readonly (string | undefined)[]
  world: CliWorld
}

/** A text of the help; a function when it shows how the user calls the program. */
export type HelpText = string | ((programName: string) => string)

/**
 * One command. Each file of `commands/` exports one as `command`; the file is named like the command. A file like that
 * must stay light, because `keymount --help` loads all of them: what the command does is imported when it runs.
 */
export interface CommandDefinition {
  name: string
  aliases?: readonly string[] | undefined
  /** For commands of `commands/`: the heading under which `keymount --help` lists it. */
  group?: CommandGroup | undefined
  /** Hidden commands work and are not listed. */
  hidden?: boolean | undefined
  summary: string
  description?: HelpText | undefined
  /** Below the options in the command's help. */
  notes?: HelpText | undefined
  /** Adds arguments and options. */
  options?(command: Command): void
  /** Loaded when a word of the command line, or the help of this command, needs them. */
  subcommands?(): Promise<readonly CommandDefinition[]>
  /** Runs it and gives the exit status. Absent for a command that only has subcommands. */
  run?(invocation: Invocation): Promise<number>
}

/** A definition whose `run` knows the types of its options; they are what {@link CommandDefinition.options} declares. */
export function defineCommand<Options extends object = object>(
  definition: Omit<CommandDefinition, 'run'> & { run?(invocation: Invocation<Options>): Promise<number> },
): CommandDefinition {
  return definition as CommandDefinition
}

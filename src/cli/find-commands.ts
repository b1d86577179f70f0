import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { CommandDefinition } from './command.ts'

const directory = join(import.meta.dirname, 'commands')

/** Names of all commands: those of the files in `commands/`. */
function commandNames(): string[] {
  return readdirSync(directory)
    .filter((file) => /^[a-z-]+\.ts$/.test(file))
    .map((file) => file.slice(0, -'.ts'.length))
    .toSorted()
}

/** The command of this name alone, so that nothing else has to be loaded; all of them for any other word. */
export async function loadCommands(word: string | undefined): Promise<CommandDefinition[]> {
  const names = commandNames()
  return Promise.all(word !== undefined && names.includes(word) ? [load(word)] : names.map(load))
}

async function load(name: string): Promise<CommandDefinition> {
  const { command } = (await import(`./commands/${name}.ts`)) as { command: CommandDefinition }
  return command
}

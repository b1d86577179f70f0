import type { Command, Option } from 'commander'
import type { CliWorld } from '#terminal'
import { buildProgram } from '../build-program.ts'

/** Prints what the last of the typed words can be. @param typed the words after `keymount`; the last may be empty. */
export async function printCompletions(typed: readonly string[], world: CliWorld): Promise<number> {
  const before = typed.slice(0, -1)
  const current = typed.at(-1) ?? ''
  const program = await buildProgram(before, { world, writeError: () => undefined, finish: () => undefined })
  const lines = possible(program, before, current)
  for (const line of lines) world.stdout.write(`${line}\n`)
  return 0
}

function possible(program: Command, before: readonly string[], current: string): string[] {
  const command = commandOf(program, before)
  const option = optionOf(command, before.at(-1) ?? '')
  if (option !== undefined) return option.argChoices?.filter((value) => value.startsWith(current)) ?? [':files']
  if (current.startsWith('-')) return optionsOf(command).filter((line) => line.startsWith(current))
  const names = command.commands.filter((sub) => !isHidden(sub)).map((sub) => `${sub.name()}\t${sub.summary()}`)
  const values = command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices)
  const found = [...names, ...values].filter((line) => line.startsWith(current))
  return found.length === 0 && names.length === 0 && command.registeredArguments.length > 0 ? [':files'] : found
}

/** The command that the words lead to. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program
  for (const word of words) {
    const named = command.commands.find((sub) => sub.name() === word || sub.aliases().includes(word))
    if (named !== undefined) command = named
  }
  return command
}

/** The option whose value comes next, if the last word is one. */
function optionOf(command: Command, word: string): Option | undefined {
  return command.options.find(
    ({ short, long, required, optional }) => [short, long].includes(word) && (required || optional),
  )
}

function optionsOf(command: Command): string[] {
  const shown = command.options.filter(({ hidden }) => !hidden)
  return [...shown.map(({ long, short, description }) => `${long ?? short}\t${description}`), '--help\tprint this help']
}

/** Commander has no public way to ask for it. */
function isHidden(command: Command): boolean {
  return (command as Command & { _hidden?: boolean })._hidden === true
}

import { Command, type Help, type Option } from 'commander'
import type { CliWorld } from '#terminal'
import { type CommandDefinition, commandGroups, type HelpText } from './command.ts'
import { loadCommands } from './find-commands.ts'
import { RequiredOption, TimeOption } from './options.ts'

export interface ProgramContext {
  world: CliWorld
  /** Takes what commander prints beside an error: for a command that lacks its subcommand, its help. */
  writeError: (text: string) => void
  /** Takes the exit status of the command that ran. */
  finish: (exitCode: number) => void
}

/**
 * The command line that these words need: of commands and subcommands that the words do not name, no more than their
 * summaries. Without words, all commands.
 */
export async function buildProgram(words: readonly string[], context: ProgramContext): Promise<Command> {
  const { world, writeError } = context
  const width = helpWidth(world)
  const program = new Command(world.programName)
    .description(
      'Secrets, keys and certificates from Azure Key Vault in Kubernetes pods, always up to date: driver and provider, ' +
        'and a lab in which both run without Azure and without a cluster.',
    )
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    // Options after the name of a command are that command's, even if its parent has an option of the same name.
    .enablePositionalOptions()
    .configureHelp({
      showGlobalOptions: false,
      minWidthToWrap: 20,
      formatItem: (term, termWidth, text, helper) => helpItem({ term, termWidth, text }, width, helper),
    })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void world.stdout.write(text),
      writeErr: writeError,
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .option('-V, --version', 'print the version')
  addNotes(program, footer, world)
  const commands = await loadCommands(words[0])
  for (const [group, heading] of Object.entries(commandGroups)) {
    program.commandsGroup(heading)
    for (const definition of commands.filter((one) => one.group === group)) {
      await addCommand(program, definition, { words: words.slice(1), isNamed: isNamed(definition, words[0]), context })
    }
  }
  return program
}

/** Below this width, texts go below their terms. */
const minTextWidth = 32

/** A command, argument or option with its text beside it, or below it where the terminal is narrow. */
function helpItem(
  { term, termWidth, text }: { term: string; termWidth: number; text: string },
  width: number,
  helper: Help,
): string {
  if (text === '') return `  ${term}`
  const beside = 2 + termWidth + 2
  const isNarrow = width - beside < minTextWidth
  const margin = isNarrow ? 6 : beside
  const wrapped = helper.boxWrap(text, width - margin).replaceAll('\n', `\n${' '.repeat(margin)}`)
  return isNarrow ? `  ${term}\n${' '.repeat(margin)}${wrapped}` : `  ${term.padEnd(termWidth)}  ${wrapped}`
}

interface Place {
  /** The words behind the command's name. */
  words: readonly string[]
  /** Whether the command line names this command, so that its subcommands are needed. */
  isNamed: boolean
  context: ProgramContext
}

async function addCommand(
  parent: Command,
  definition: CommandDefinition,
  { words, isNamed: named, context }: Place,
): Promise<void> {
  const { world, finish } = context
  const { name, aliases = [], summary, description = sentence(summary), notes, hidden = false } = definition
  const command = parent
    .command(name, { hidden })
    .aliases(aliases)
    .summary(summary)
    .description(textOf(description, world))
    .helpCommand(false)
  if (definition.subcommands !== undefined) command.helpCommand('help [command]', 'describe a command')
  definition.options?.(command)
  if (notes !== undefined) addNotes(command, notes, world)
  const { run } = definition
  if (run !== undefined) {
    command.action(async () => {
      checkRequired(command)
      await checkTimes(command)
      finish(await run({ options: command.opts(), words: command.processedArgs, world }))
    })
  }
  if (!named) return
  for (const sub of (await definition.subcommands?.()) ?? []) {
    await addCommand(command, sub, { words: words.slice(1), isNamed: isNamed(sub, words[0]), context })
  }
}

/** The words of the command that the command line names: `keymount azure throttle`. */
export function commandPath(program: Command, words: readonly string[]): string {
  const [word, ...rest] = words
  const named = subcommandNamed(program, word)
  return named === undefined ? program.name() : `${program.name()} ${commandPath(named, rest)}`
}

/** The command that `words` name, and the words after its name. */
export function namedCommand(
  program: Command,
  words: readonly string[],
): { command: Command; rest: readonly string[] } {
  const [word, ...rest] = words
  const named = subcommandNamed(program, word)
  return named === undefined ? { command: program, rest: words } : namedCommand(named, rest)
}

function subcommandNamed(program: Command, word: string | undefined): Command | undefined {
  return program.commands.find((command) => word === command.name() || command.aliases().includes(word ?? ''))
}

function isNamed({ name, aliases = [] }: CommandDefinition, word: string | undefined): boolean {
  return word === name || aliases.includes(word ?? '')
}

function checkRequired(command: Command): void {
  const missing = command.options.filter((option) => {
    const value: unknown =
      option instanceof RequiredOption ? command.getOptionValue(option.attributeName()) : 'optional'
    return value === undefined || value === '' || (Array.isArray(value) && value.length === 0)
  })
  if (missing.length === 0) return
  const names = missing.map(({ flags }) => `'${flags}'`).join(', ')
  const message = `error: required option${missing.length > 1 ? 's' : ''} ${names} not specified`
  command.error(message, { code: 'commander.missingMandatoryOptionValue' })
}

/** Durations are checked here, and not by the options themselves, so that the help does without the parser. */
async function checkTimes(command: Command): Promise<void> {
  const given = command.options.filter(
    (option) => option instanceof TimeOption && typeof command.getOptionValue(option.attributeName()) === 'string',
  )
  if (given.length === 0) return
  const { parseDuration } = await import('#lib/formats')
  for (const option of given) {
    const text = command.getOptionValue(option.attributeName()) as string
    if ((parseDuration(text) ?? 0) <= 0) command.error(invalidTime(option, text), { code: 'commander.invalidArgument' })
  }
}

function invalidTime({ flags }: Option, text: string): string {
  return `error: option '${flags}' argument '${text}' is invalid. Expected a duration such as 30s or 2m.`
}

function addNotes(command: Command, notes: HelpText, world: CliWorld): void {
  command.addHelpText('after', () => {
    const helper = command.createHelp()
    const wrap = (text: string, width: number) => helper.boxWrap(text, width)
    const lines = textOf(notes, world).split('\n')
    return ['', ...lines.map((line) => wrapNote(line, helpWidth(world), wrap))].join('\n')
  })
}

/** Wraps a line; in a table of names and texts, below the text. Other indented lines are commands, which stay whole. */
function wrapNote(line: string, width: number, wrap: (text: string, width: number) => string): string {
  const [, head, text] = /^( {2}[a-z-]+ {2,})(\S.*)$/.exec(line) ?? []
  if (head === undefined || text === undefined) return line.startsWith(' ') ? line : wrap(line, width)
  return `${head}${wrap(text, width - head.length).replaceAll('\n', `\n${' '.repeat(head.length)}`)}`
}

function footer(programName: string): string {
  return [
    `"${programName} COMMAND --help" describes a command, "${programName} demo" shows the product at work.`,
    'The lab is in ~/.keymount; choose another directory with --home or KEYMOUNT_HOME.',
    'Exit status: 0 done, 1 failed, 2 wrong usage, 3 the lab is not up, 130 interrupted.',
  ].join('\n')
}

/** As wide as the terminal, up to what is easy to read. */
function helpWidth({ stdout: { isTTY, columns = 0 } }: CliWorld): number {
  return isTTY === true && columns >= 40 ? Math.min(columns, 120) : 80
}

function textOf(text: HelpText, { programName }: CliWorld): string {
  return typeof text === 'string' ? text : text(programName)
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`
}

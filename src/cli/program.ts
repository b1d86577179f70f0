import { type Command, CommanderError } from 'commander'
import type { CliWorld } from '#terminal'
import { buildProgram, commandPath, namedCommand } from './build-program.ts'
import type { Choice } from './report-error.ts'

/**
 * One run of the command line. Gives the exit status; prints every error itself. Only what the command line asks for is
 * loaded, so that the help, the version and completions come at once.
 */
export async function runCli(world: CliWorld): Promise<number> {
  const [first] = world.argv
  if (first === '--version' || first === '-V') {
    world.stdout.write(`${world.version}\n`)
    return 0
  }
  let exitCode = 0
  let help = ''
  let path = world.programName
  let choice: Choice | undefined
  try {
    const program = await buildProgram(world.argv, {
      world,
      writeError: (text) => {
        help += text
      },
      finish: (code) => {
        exitCode = code
      },
    })
    path = commandPath(program, world.argv)
    choice = choiceIn(program, world.argv)
    await program.parseAsync(withoutHelpIfUnknown(program, world.argv), { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const { reportError } = await import('./report-error.ts')
    return reportError(error, { world, path, help, choice })
  }
}

/** Where a command also has subcommands: a word that may have been meant as one of them. */
function choiceIn(program: Command, words: readonly string[]): Choice | undefined {
  const { command, rest } = namedCommand(program, words)
  const word = rest.find((one) => !one.startsWith('-'))
  const names = command.commands.map((one) => one.name())
  return word === undefined || names.length === 0 ? undefined : { word, names }
}

/** Without `--help` if the words before it name a command that does not exist, which is then the error. */
function withoutHelpIfUnknown(program: Command, words: readonly string[]): string[] {
  let [command, index] = [program, 0]
  for (; index < words.length; index++) {
    const word = words[index] ?? ''
    const next = command.commands.find((one) => one.name() === word || one.aliases().includes(word))
    if (next === undefined) break
    command = next
  }
  const isUnknown = command.commands.length > 0 && command.registeredArguments.length === 0
  const names = isUnknown && index < words.length && !words[index]?.startsWith('-')
  return names ? words.filter((word) => word !== '--help' && word !== '-h') : [...words]
}

import { CommanderError } from 'commander'
import type { CliWorld } from '#terminal'
import { buildProgram, commandPath } from './build-program.ts'

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
    await program.parseAsync([...world.argv], { from: 'user' })
    return exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const { reportError } = await import('./report-error.ts')
    return reportError(error, { world, path, help })
  }
}

import { errorMessage, type Log, ProblemsError } from '#lib'
import { type Environment, type FlagSpecs, type Program, parseProgram } from '#lib/flags'

/**
 * The life of a program: reads its command line, runs it, and ends with its status. What is wrong is printed on standard
 * error: status 2 when the command line or the environment is wrong, 1 when something that they name cannot be used.
 *
 * Nothing here awaits at the top level: the image has each program as one CommonJS file, which cannot.
 */
export function runMain<S extends FlagSpecs, Config>(
  program: Program<S, Config>,
  run: (config: Config, env: Environment) => Promise<number>,
): void {
  // Timers of a `Clock` do not keep a process alive: one that only waited would end, and with the status of a success.
  const alive = setInterval(() => {}, longestTimerMs)
  void main(program, run).then((status) => {
    clearInterval(alive)
    process.exitCode = status
  })
}

const longestTimerMs = 2 ** 31 - 1

async function main<S extends FlagSpecs, Config>(
  program: Program<S, Config>,
  run: (config: Config, env: Environment) => Promise<number>,
): Promise<number> {
  try {
    const invocation = parseProgram(program, process.argv.slice(2), process.env)
    if (invocation.kind === 'run') return await run(invocation.config, process.env)
    process.stdout.write(`${invocation.text}\n`)
    return 0
  } catch (error) {
    process.stderr.write(`${errorMessage(error)}\n`)
    return error instanceof ProblemsError ? 2 : 1
  }
}

/** For programs that work with a Lease: ends the process at once when the Lease is lost, because another replica may lead then. */
export function endWhenLost(log: Log): () => void {
  return () => {
    log.fatal('another replica may lead now')
    process.exit(1)
  }
}

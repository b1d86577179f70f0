import { errorMessage, ProblemsError } from '#lib'

/**
 * The life of a program: reads its command line, runs it, and ends with its status. What cannot be read is said on standard
 * error: status 2 when the command line or the environment is wrong, 1 when something that they name is.
 *
 * Nothing here awaits at the top level: the image holds each program as one CommonJS file, which cannot.
 */
export function runMain<Command>(
  parse: (argv: readonly string[], env: NodeJS.ProcessEnv) => Command,
  run: (command: Command) => Promise<number> | number,
): void {
  const main = async () => {
    let command: Command
    try {
      command = parse(process.argv.slice(2), process.env)
    } catch (error) {
      process.stderr.write(`${errorMessage(error)}\n`)
      return error instanceof ProblemsError ? 2 : 1
    }
    return run(command)
  }
  void main().then((status) => {
    process.exitCode = status
  })
}

/** Answers a command line that asks for one text on standard output, such as the version. */
export function printLine(text: string): number {
  process.stdout.write(`${text}\n`)
  return 0
}

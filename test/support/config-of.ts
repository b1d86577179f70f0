import assert from 'node:assert/strict'
import { type Environment, type FlagSpecs, type Program, parseProgram } from '#lib/flags'

/** The configuration that a program has with this command line. Throws `ProblemsError` with everything that is wrong. */
export function configOf<S extends FlagSpecs, Config>(
  program: Program<S, Config>,
  argv: readonly string[],
  env: Environment = {},
): Config {
  const invocation = parseProgram(program, argv, env)
  assert.ok(invocation.kind === 'run', 'the command line asks for a text')
  return invocation.config
}

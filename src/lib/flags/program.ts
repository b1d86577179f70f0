import { Problems } from '#lib'
import { wrapText } from '#lib/formats'
import {
  defaultText,
  type Environment,
  type FlagSpec,
  type FlagSpecs,
  type FlagValues,
  missingFlags,
  parseGoFlags,
} from './go-flags.ts'

/** A program with Go's kind of command line: what it is called, which flags it has, and what they and the environment mean. */
export interface Program<S extends FlagSpecs, Config> {
  /** As in `keymount NAME`. */
  name: string
  /** One sentence for `--help`. */
  summary: string
  flags: S
  /**
   * The configuration that flags and environment give. Problems are added, not thrown; the result of a command line with
   * problems is thrown away, so a wrong value may be replaced by any of its type.
   */
  configure(flags: FlagValues<S>, env: Environment, problems: Problems): Config
}

export type Invocation<Config> = { kind: 'print'; text: string } | { kind: 'run'; config: Config }

/** What a command line asks for: a text (`--help`, `--version`), or to run. Throws `ProblemsError` with everything that is wrong. */
export function parseProgram<S extends FlagSpecs, Config>(
  program: Program<S, Config>,
  argv: readonly string[],
  env: Environment,
): Invocation<Config> {
  if (argv.some((word) => /^(--?help|-h)$/.test(word))) return { kind: 'print', text: helpText(program) }
  const problems = new Problems()
  const flags = parseGoFlags(program.flags, argv, problems)
  for (const [name, spec] of Object.entries(program.flags)) {
    if (spec.type !== 'boolean' || spec.prints === undefined) continue
    if ((flags as Record<string, unknown>)[name] !== true) continue
    problems.throwIfAny(program.name)
    return { kind: 'print', text: spec.prints(env) }
  }
  missingFlags(program.flags, flags, problems)
  const config = program.configure(flags, env, problems)
  problems.throwIfAny(program.name)
  return { kind: 'run', config }
}

/** `--help`: every flag with its value and default, 80 columns wide. */
function helpText({ name, summary, flags }: Pick<Program<FlagSpecs, unknown>, 'name' | 'summary' | 'flags'>): string {
  const shown = Object.entries(flags).filter(([, { type }]) => type !== 'ignored')
  const ignored = Object.entries(flags).filter(([, { type }]) => type === 'ignored')
  return [
    ...wrapText(summary, 80),
    '',
    `Usage: keymount ${name} [flags]`,
    '',
    'Flags:',
    ...shown.flatMap(([flag, spec]) => flagHelp(flag, spec)),
    ...(ignored.length === 0 ? [] : ['', 'Accepted for compatibility, without effect:']),
    ...wrapText(ignored.map(([flag]) => `--${flag}`).join(' '), 76)
      .filter((line) => line !== '')
      .map((line) => `  ${line}`),
  ].join('\n')
}

const valueNames: Record<FlagSpec['type'], string> = {
  string: 'string',
  boolean: '',
  integer: 'integer',
  duration: 'duration',
  port: 'port',
  address: 'address',
  ip: 'string',
  endpoint: 'endpoint',
  choice: '',
  strings: 'list',
  ignored: '',
}

function flagHelp(flag: string, spec: FlagSpec): string[] {
  if (spec.type === 'ignored') return []
  const value = spec.type === 'choice' ? spec.values.join('|') : valueNames[spec.type]
  const text = defaultText(spec)
  const required = spec.type === 'string' && spec.required !== undefined
  const note = required ? ' (required)' : text === '' || text === 'false' ? '' : ` (default ${text})`
  return [
    `  --${flag}${value === '' ? '' : ` ${value}`}`,
    ...wrapText(`${spec.help}${note}`, 72).map((line) => `        ${line}`),
  ]
}

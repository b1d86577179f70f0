import { nearestName, type Problem, ProblemsError } from '#lib'
import { parseDuration } from '#lib/formats'

/**
 * Command lines the way Go's `flag` package reads them, because manifests of the field are written for it: one or two
 * dashes, `--f=v` or `--f v`, a boolean needs `=` for a value. https://pkg.go.dev/flag
 *
 * A command's flags are data: one entry per flag, which is also what the reference documentation is checked against.
 */
export type FlagSpec =
  | { type: 'string'; default: string; help: string }
  | { type: 'boolean'; default: boolean; help: string }
  | { type: 'integer'; default: number; help: string }
  /** Go duration; the value is in milliseconds, `default` too. */
  | { type: 'duration'; default: number; help: string }
  /** May be given several times, each value may be a comma-separated list. */
  | { type: 'strings'; default: readonly string[]; help: string }
  /** Accepted and without effect; `help` says why. */
  | { type: 'ignored'; help: string }

export type FlagSpecs = Record<string, FlagSpec>

export type FlagValues<S extends FlagSpecs> = {
  [K in keyof S as S[K] extends { type: 'ignored' } ? never : K]: S[K] extends { type: 'string' }
    ? string
    : S[K] extends { type: 'boolean' }
      ? boolean
      : S[K] extends { type: 'strings' }
        ? readonly string[]
        : number
}

const trueWords = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const falseWords = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

/** Go's ParseBool, or undefined. */
export function parseGoBool(text: string): boolean | undefined {
  if (trueWords.has(text)) return true
  return falseWords.has(text) ? false : undefined
}

/** Every flag of `specs` with its value or default. Throws {@link ProblemsError} with everything that is wrong. */
export function parseGoFlags<S extends FlagSpecs>(command: string, specs: S, argv: readonly string[]): FlagValues<S> {
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.type !== 'ignored') values[name] = spec.default
  }
  const problems: Problem[] = []
  const given = new Set<string>()
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    const match = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(word)
    if (match === null) {
      problems.push({ path: '', message: `unexpected argument "${word}"; flags look like --name=value` })
      continue
    }
    const name = match[1] ?? ''
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
    if (spec === undefined) {
      problems.push({ path: `--${name}`, message: `unknown flag${suggestion(name, Object.keys(specs))}` })
      continue
    }
    let text = match[2]
    const next = argv[i + 1]
    if (text === undefined && spec.type !== 'boolean') {
      const optional = spec.type === 'ignored' && (next === undefined || next.startsWith('-'))
      if (optional) continue
      if (next === undefined) {
        problems.push({ path: `--${name}`, message: 'needs a value' })
        continue
      }
      text = next
      i++
    }
    const parsed = parseValue(spec, text)
    if (parsed.problem !== undefined) problems.push({ path: `--${name}`, message: parsed.problem })
    else if (spec.type === 'strings') {
      const before = given.has(name) ? (values[name] as readonly string[]) : []
      values[name] = [...before, ...(parsed.value as string[])]
    } else if (spec.type !== 'ignored') values[name] = parsed.value
    given.add(name)
  }
  if (problems.length > 0) throw new ProblemsError(command, problems)
  return values as FlagValues<S>
}

function parseValue(spec: FlagSpec, text: string | undefined): { value?: unknown; problem?: string } {
  switch (spec.type) {
    case 'ignored':
      return {}
    case 'string':
      return { value: text ?? '' }
    case 'strings':
      return { value: (text ?? '').split(',').filter((part) => part !== '') }
    case 'boolean': {
      const value = text === undefined ? true : parseGoBool(text)
      return value === undefined ? { problem: `found "${text}", expected true or false` } : { value }
    }
    case 'integer':
      return /^[+-]?\d+$/.test(text ?? '')
        ? { value: Number(text) }
        : { problem: `found "${text}", expected an integer` }
    case 'duration': {
      const value = parseDuration(text ?? '')
      return value === undefined ? { problem: `found "${text}", expected a duration such as 30s or 2m` } : { value }
    }
    default:
      throw new Error(`unknown flag type ${JSON.stringify(spec satisfies never)}`)
  }
}

/** ` (did you mean --x?)` for the nearest known name, or an empty string. */
function suggestion(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest === undefined ? '' : ` (did you mean --${nearest}?)`
}

import { isIP } from 'node:net'
import { nearestName, type Problems } from '#lib'
import { formatDuration, parseDuration } from '#lib/formats'
import { type Endpoint, parseEndpoint } from './endpoint.ts'
import { type ListenAddress, parseListenAddress } from './listen-address.ts'

/** The variables of a process's environment. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * Command lines the way Go's `flag` package reads them, because upstream's manifests are written for it: one or two
 * dashes, `--f=v` or `--f v`, a boolean needs `=` for a value. https://pkg.go.dev/flag
 *
 * A program's flags are a table: one entry per flag, from which the command line is parsed and `--help`, the reference
 * documentation and the chart's checks come. Limits in the table are inclusive.
 */
export type FlagSpec =
  | {
      type: 'string'
      default: string
      help: string
      /** The flag must be given; the error describes it with this text. */
      required?: string
    }
  | {
      type: 'boolean'
      default: boolean
      help: string
      /** The flag makes the program print this and end: `--version`. */
      prints?: (env: Environment) => string
    }
  | { type: 'integer'; default: number; help: string; min?: number; max?: number }
  /** Go duration; the value is in milliseconds, as are `default`, `min` and `max`. Never negative. */
  | { type: 'duration'; default: number; help: string; min?: number; max?: number }
  /** 0 to 65535. */
  | { type: 'port'; default: number; help: string }
  /** `HOST:PORT` or `:PORT`; empty or `0` for none, which gives undefined. */
  | { type: 'address'; default: string; help: string }
  /** An IP address, without a port. */
  | { type: 'ip'; default: string; help: string }
  /** `unix://PATH` or `tcp://HOST:PORT`. */
  | { type: 'endpoint'; default: string; help: string }
  /** One of `values`, in any case. An empty default means no choice: the value is an empty string. */
  | { type: 'choice'; values: readonly string[]; default: string; help: string }
  /** May be given several times, each value may be a comma-separated list. */
  | { type: 'strings'; default: readonly string[]; help: string }
  /** Accepted and without effect; `help` has the reason. */
  | { type: 'ignored'; help: string }

export type FlagSpecs = Readonly<Record<string, FlagSpec>>

export type FlagValue<S extends FlagSpec> = S extends { type: 'string' | 'ip' }
  ? string
  : S extends { type: 'boolean' }
    ? boolean
    : S extends { type: 'strings' }
      ? readonly string[]
      : S extends { type: 'address' }
        ? ListenAddress | undefined
        : S extends { type: 'endpoint' }
          ? Endpoint
          : S extends { type: 'choice'; values: readonly (infer V)[]; default: infer D }
            ? V | D
            : number

export type FlagValues<S extends FlagSpecs> = {
  readonly [K in keyof S as S[K] extends { type: 'ignored' } ? never : K]: FlagValue<S[K]>
}

const trueWords = new Set(['1', 't', 'T', 'true', 'TRUE', 'True'])
const falseWords = new Set(['0', 'f', 'F', 'false', 'FALSE', 'False'])

/** Go's ParseBool, or undefined. */
export function parseGoBool(text: string): boolean | undefined {
  if (trueWords.has(text)) return true
  return falseWords.has(text) ? false : undefined
}

/**
 * Every flag of `specs` with its value or default. What is wrong goes to `problems`; such a flag has its default.
 * Required flags are checked by {@link missingFlags}.
 */
export function parseGoFlags<S extends FlagSpecs>(
  specs: S,
  argv: readonly string[],
  problems: Problems,
): FlagValues<S> {
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.type !== 'ignored') values[name] = defaultValue(spec)
  }
  const given = new Set<string>()
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    const match = /^--?([A-Za-z][\w-]*)(?:=(.*))?$/s.exec(word)
    if (match === null) {
      problems.add('', `unexpected argument "${word}"; flags look like --name=value`)
      continue
    }
    const name = match[1] ?? ''
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined
    if (spec === undefined) {
      problems.add(`--${name}`, `unknown flag${suggestion(name, Object.keys(specs))}`)
      continue
    }
    let text = match[2]
    const next = argv[i + 1]
    if (text === undefined && spec.type !== 'boolean') {
      const optional = spec.type === 'ignored' && (next === undefined || next.startsWith('-'))
      if (optional) continue
      if (next === undefined) {
        problems.add(`--${name}`, 'needs a value')
        continue
      }
      text = next
      i++
    }
    if (spec.type === 'ignored') continue
    const { value, expected } = parseValue(spec, text)
    if (expected !== undefined) problems.unexpected(`--${name}`, text, expected)
    else if (spec.type === 'strings') {
      const before = given.has(name) ? (values[name] as readonly string[]) : []
      values[name] = [...before, ...(value as string[])]
    } else values[name] = value
    given.add(name)
  }
  return values as FlagValues<S>
}

/** Adds a problem for each required flag that has no value. */
export function missingFlags<S extends FlagSpecs>(specs: S, values: FlagValues<S>, problems: Problems): void {
  for (const [name, spec] of Object.entries(specs)) {
    if (spec.type !== 'string' || spec.required === undefined) continue
    if ((values as Record<string, unknown>)[name] === '') problems.add(`--${name}`, `missing: ${spec.required}`)
  }
}

/** The default of a flag as a person would give it on the command line; empty for none. */
export function defaultText(spec: Exclude<FlagSpec, { type: 'ignored' }>): string {
  return spec.type === 'duration' ? formatDuration(spec.default) : String(spec.default)
}

function defaultValue(spec: Exclude<FlagSpec, { type: 'ignored' }>): unknown {
  if (spec.type === 'address') return parseListenAddress(spec.default) ?? undefined
  return spec.type === 'endpoint' ? parseEndpoint(spec.default) : spec.default
}

/** The value, or what would have been right. */
function parseValue(
  spec: Exclude<FlagSpec, { type: 'ignored' }>,
  text: string | undefined = 'true',
): { value?: unknown; expected?: string } {
  switch (spec.type) {
    case 'string':
      return { value: text }
    case 'strings':
      return { value: text.split(',').filter((part) => part !== '') }
    case 'boolean': {
      const value = parseGoBool(text)
      return value === undefined ? { expected: expectedOf(spec) } : { value }
    }
    case 'integer': {
      const { min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = spec
      const value = /^[+-]?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
      return value >= min && value <= max ? { value } : { expected: expectedOf(spec) }
    }
    case 'port': {
      const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
      return value <= maxPort ? { value } : { expected: expectedOf(spec) }
    }
    case 'duration': {
      const { min = 0, max = Number.MAX_SAFE_INTEGER } = spec
      const value = parseDuration(text)
      return value !== undefined && value >= min && value <= max ? { value } : { expected: expectedOf(spec) }
    }
    case 'address': {
      const value = parseListenAddress(text)
      return value === undefined ? { expected: expectedOf(spec) } : { value: value ?? undefined }
    }
    case 'ip':
      return isIP(text) === 0 ? { expected: expectedOf(spec) } : { value: text }
    case 'endpoint': {
      const value = parseEndpoint(text)
      return value === undefined ? { expected: expectedOf(spec) } : { value }
    }
    case 'choice': {
      const value = spec.values.find((one) => one.toLowerCase() === text.toLowerCase())
      const none = text === '' && spec.default === ''
      return value === undefined && !none ? { expected: expectedOf(spec) } : { value: value ?? '' }
    }
    default:
      throw new Error(`unknown flag type ${JSON.stringify(spec satisfies never)}`)
  }
}

const maxPort = 65_535

/** What a value of the flag has to be, for the message about another one. Empty: any text is right. */
function expectedOf(spec: FlagSpec): string {
  switch (spec.type) {
    case 'string':
    case 'strings':
    case 'ignored':
      return ''
    case 'boolean':
      return 'true or false'
    case 'integer':
      return `an integer${range(spec.min, spec.max, String)}`
    case 'port':
      return `a port from 0 to ${maxPort}`
    case 'duration':
      return `a duration such as 30s or 2m${range(spec.min, spec.max, formatDuration)}`
    case 'address':
      return 'HOST:PORT or :PORT, or 0 for none'
    case 'ip':
      return 'an IP address'
    case 'endpoint':
      return 'unix://PATH or tcp://HOST:PORT'
    case 'choice':
      return `one of ${spec.values.join(', ')}`
    default:
      throw new Error(`unknown flag type ${JSON.stringify(spec satisfies never)}`)
  }
}

/** What a program that is not ours can check of a flag's value: the chart, in Helm's templates. */
export interface FlagForm {
  type: FlagSpec['type']
  /** A regular expression that JavaScript and Go's RE2 read alike; the program refuses every value that it does not match. */
  pattern?: string
  /** Inclusive; of a duration in milliseconds. */
  min?: number
  max?: number
  /** Empty: any text is right. */
  expected: string
}

export function flagForm(spec: FlagSpec): FlagForm {
  const { type } = spec
  const form = { type, expected: expectedOf(spec) }
  switch (type) {
    case 'boolean':
      return { ...form, pattern: `^(${[...trueWords, ...falseWords].join('|')})$` }
    case 'integer':
      return { ...form, pattern: '^[+-]?[0-9]{1,16}$', ...limits(spec.min, spec.max) }
    case 'port':
      return { ...form, pattern: '^[0-9]{1,5}$', min: 0, max: maxPort }
    case 'duration':
      return {
        ...form,
        pattern: '^[+-]?((([0-9]+([.][0-9]*)?|[.][0-9]+)(ns|us|µs|μs|ms|s|m|h))+|0)$',
        ...limits(spec.min ?? 0, spec.max),
      }
    case 'address':
      return { ...form, pattern: `^(0|.*:${portPattern})?$` }
    case 'ip':
      return { ...form, pattern: '^[0-9a-zA-Z.:%]+$' }
    case 'endpoint':
      return { ...form, pattern: '^[uUtT][nNcC][iIpP][xX]?://' }
    case 'choice':
      return { ...form, pattern: `^(${spec.values.map(inAnyCase).join('|')})${spec.default === '' ? '?' : ''}$` }
    default:
      return form
  }
}

/** 0 to 65535, with a leading zero or without. */
const portPattern = '(0?[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])'

function limits(min: number | undefined, max: number | undefined) {
  return { ...(min === undefined ? {} : { min }), ...(max === undefined ? {} : { max }) }
}

/** A regular expression of the word in any case, which has no flag that JavaScript and RE2 share. */
function inAnyCase(word: string): string {
  return [...word]
    .map((one) => {
      const [lower, upper] = [one.toLowerCase(), one.toUpperCase()]
      return lower === upper ? (/[\w-]/.test(one) ? one : `[${one}]`) : `[${lower}${upper}]`
    })
    .join('')
}

function range(min: number | undefined, max: number | undefined, format: (value: number) => string): string {
  if (min !== undefined && max !== undefined) return ` from ${format(min)} to ${format(max)}`
  if (min !== undefined) return `, ${format(min)} or more`
  return max === undefined ? '' : `, ${format(max)} or less`
}

/** ` (did you mean --x?)` for the nearest known name, or an empty string. */
function suggestion(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known)
  return nearest === undefined ? '' : ` (did you mean --${nearest}?)`
}

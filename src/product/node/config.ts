import { formatProblem, type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, parseGoFlags } from '#lib/flags'
import { formatDuration } from '#lib/formats'
import { type DriverConfig, driverConfig, driverFlags } from '#product/driver'
import { type ProviderCommand, providerConfig, providerFlags } from '#product/provider'

/**
 * The flags of driver and provider in one process. A name that both have (`v`, `kubeconfig`, …) is meant for both, except
 * for the addresses: endpoint, metrics and health are the driver's under their own names and the provider's under
 * `provider-…`, and the health port is the provider's.
 */
export const nodeFlags = {
  ...driverFlags,
  ...providerFlags,
  endpoint: driverFlags.endpoint,
  'metrics-addr': driverFlags['metrics-addr'],
  'health-addr': driverFlags['health-addr'],
  'provider-endpoint': {
    ...providerFlags.endpoint,
    help: 'where the provider listens; in a directory that the driver searches',
  },
  'provider-metrics-addr': providerFlags['metrics-addr'],
  'provider-health-addr': providerFlags['health-addr'],
} as const satisfies FlagSpecs

const providersOwn = ['healthz-port']
const renamed = ['endpoint', 'metrics-addr', 'health-addr'] as const

export interface NodeConfig {
  /** Its `printVersion` is for both. */
  driver: DriverConfig
  provider: Extract<ProviderCommand, { kind: 'serve' }>
}

/** Command line and environment, as each daemon reads its own. Throws {@link ProblemsError} with everything that is wrong. */
export function nodeConfig(argv: readonly string[], env: NodeJS.ProcessEnv): NodeConfig {
  const given = parseGoFlags('node', nodeFlags, argv)
  const own = Object.fromEntries(renamed.map((name) => [name, given[`provider-${name}`]]))
  const forProvider = { ...given, ...own, version: false }
  const [driver, provider] = bothOrProblems(
    () => driverConfig(argvOf(driverFlags, given, providersOwn)),
    () => providerConfig(argvOf(providerFlags, forProvider), env) as NodeConfig['provider'],
  )
  return { driver, provider }
}

/** The command line that gives a daemon these values of its own flags. */
function argvOf(specs: FlagSpecs, values: Record<string, unknown>, except: readonly string[] = []): string[] {
  return Object.entries(specs).flatMap(([name, spec]) => {
    const value = values[name]
    if (except.includes(name) || spec.type === 'ignored' || String(value) === String(spec.default)) return []
    return [`--${name}=${spec.type === 'duration' ? formatDuration(Number(value)) : String(value)}`]
  })
}

/** Both results, or the problems of both; what is wrong for both is said once. */
function bothOrProblems<A, B>(first: () => A, second: () => B): [A, B] {
  const problems = new Map<string, Problem>()
  const attempt = <T>(parse: () => T, rename: Record<string, string> = {}): T | undefined => {
    try {
      return parse()
    } catch (error) {
      if (!(error instanceof ProblemsError)) throw error
      for (const { path, message } of error.problems) {
        const problem = { path: rename[path] ?? path, message }
        problems.set(formatProblem(problem), problem)
      }
      return undefined
    }
  }
  const underGivenNames = Object.fromEntries(renamed.map((name) => [`--${name}`, `--provider-${name}`]))
  const [a, b] = [attempt(first), attempt(second, underGivenNames)]
  if (a === undefined || b === undefined) throw new ProblemsError('node', [...problems.values()])
  return [a, b]
}

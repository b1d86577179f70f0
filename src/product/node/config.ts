import { Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { formatDuration } from '#lib/formats'
import { type DriverConfig, driverFlags, driverProgram } from '#product/driver'
import { type ProviderProgramConfig, providerFlags, providerProgram } from '#product/provider'

/**
 * The flags of driver and provider in one process. A name that both have (`v`, `kubeconfig`, …) is for both, except for the
 * addresses: endpoint, metrics and health are the driver's under their own names and the provider's under `provider-…`, and
 * the health port is the provider's.
 */
export const nodeFlags = {
  ...driverFlags,
  ...providerFlags,
  version: driverFlags.version,
  endpoint: driverFlags.endpoint,
  'metrics-addr': driverFlags['metrics-addr'],
  'health-addr': driverFlags['health-addr'],
  'provider-endpoint': {
    ...providerFlags.endpoint,
    help: 'Where the provider listens; in a directory that the driver searches',
  },
  'provider-metrics-addr': providerFlags['metrics-addr'],
  'provider-health-addr': providerFlags['health-addr'],
} as const satisfies FlagSpecs

export interface NodeConfig {
  driver: DriverConfig
  provider: ProviderProgramConfig
}

export const nodeProgram: Program<typeof nodeFlags, NodeConfig> = {
  name: 'node',
  summary: 'Driver and provider of a node in one process, for small nodes.',
  flags: nodeFlags,
  configure,
}

function configure(flags: FlagValues<typeof nodeFlags>, env: Environment, problems: Problems): NodeConfig {
  const ofDriver = { ...flags, 'healthz-port': driverFlags['healthz-port'].default }
  const ofProvider: FlagValues<typeof providerFlags> = {
    ...flags,
    endpoint: flags['provider-endpoint'],
    'metrics-addr': flags['provider-metrics-addr'],
    'health-addr': flags['provider-health-addr'],
  }
  const config = {
    driver: driverProgram.configure(ofDriver, env, problems),
    provider: configureProvider(ofProvider, env, problems),
  }
  return config
}

/** The provider's problems, under the names that its addresses have here. */
function configureProvider(...[flags, env, problems]: Parameters<typeof providerProgram.configure>) {
  const own = new Problems()
  const config = providerProgram.configure(flags, env, own)
  for (const { path, message } of own.list) {
    problems.add(/^--(metrics|health)-addr$/.test(path) ? path.replace('--', '--provider-') : path, message)
  }
  return config
}

/** What is allowed and probably not what was meant: flags of driver and provider that make each other useless. */
export function remarksOn({ driver, provider }: Pick<NodeConfig, 'driver' | 'provider'>): string[] {
  const { staleMs = 0 } = provider
  const { rotation, rotationIntervalMs } = driver
  if (staleMs === 0 || (rotation && staleMs >= rotationIntervalMs)) return []
  const [found, interval] = [formatDuration(staleMs), formatDuration(rotationIntervalMs)]
  const why = rotation
    ? `values are read every ${interval} (--rotation-poll-interval): set it to more than ${interval}`
    : 'values are read only when a pod starts: add --enable-secret-rotation'
  return [`--serve-stale-for=${found}: what this node holds is usually too old when an outage begins, because ${why}`]
}

import type { LogLevel } from '#lib'
import type { FlagSpec } from '#lib/flags'

/** `--log-level` of workload identity's programs, with upstream's values. */
export const logLevelFlag = {
  type: 'choice',
  values: ['info', 'debug', 'trace', 'all'],
  default: '',
  help: 'Verbosity of the log',
} as const satisfies FlagSpec

export function logLevelOf(value: (typeof logLevelFlag.values)[number] | ''): LogLevel {
  if (value === 'all') return 'trace'
  return value === '' ? 'info' : value
}

/** `--metrics-backend` of upstream's programs, which has one value. */
export const metricsBackendFlag = {
  type: 'choice',
  values: ['Prometheus'],
  default: 'Prometheus',
  help: 'Only Prometheus exists',
} as const satisfies FlagSpec

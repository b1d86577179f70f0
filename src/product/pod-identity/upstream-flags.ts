import { buildVersion } from '#daemon'
import { type FlagSpec, type FlagSpecs, klogFlags } from '#lib/flags'

/** `--version` of both programs, in upstream's form. */
export const podIdentityVersionFlag = {
  type: 'boolean',
  default: false,
  help: 'Print the version, and exit',
  prints: () => buildVersion,
} as const satisfies FlagSpec

/** Flags that both of upstream's programs have and that change nothing here. */
export const upstreamFlags = {
  enableProfile: { type: 'ignored', help: 'Profiling of Go programs' },
  'log-format': { type: 'ignored', help: 'Logs are always JSON lines' },
  'custom-user-agent': { type: 'ignored', help: 'The user agent is fixed' },
  ...klogFlags,
} as const satisfies FlagSpecs

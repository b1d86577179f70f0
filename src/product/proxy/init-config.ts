import { isIPv4 } from 'node:net'
import { type Problem, ProblemsError } from '#lib'
import { type FlagSpecs, parseGoFlags } from '#lib/flags'
import { metadataAddress } from './imds-request.ts'
import type { Redirection } from './redirect-metadata.ts'

/** Upstream has none: its script reads the environment only. */
export const proxyInitFlags = {
  version: { type: 'boolean', default: false, help: 'Print the version as JSON, and exit' },
} as const satisfies FlagSpecs

export type ProxyInitCommand = { kind: 'version' } | { kind: 'redirect'; redirection: Redirection }

/** Command line and environment as one typed configuration. Throws {@link ProblemsError} with everything that is wrong. */
export function proxyInitConfig(argv: readonly string[], env: NodeJS.ProcessEnv): ProxyInitCommand {
  if (parseGoFlags('proxy-init', proxyInitFlags, argv).version) return { kind: 'version' }
  const problems: Problem[] = []
  const number = (name: string, fallback: number, max: number): number => {
    const text = env[name] || String(fallback)
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= 1 && value <= max)) {
      problems.push({ path: name, message: `found "${text}", expected a number from 1 to ${max}` })
    }
    return value
  }
  const metadataIp = env['METADATA_IP'] || metadataAddress
  if (!isIPv4(metadataIp))
    problems.push({ path: 'METADATA_IP', message: `found "${metadataIp}", expected an IPv4 address` })
  const redirection = {
    proxyPort: number('PROXY_PORT', 8000, 65_535),
    metadataIp,
    metadataPort: number('METADATA_PORT', 80, 65_535),
    proxyUid: number('PROXY_UID', 1501, 4_294_967_294),
  }
  if (problems.length > 0) throw new ProblemsError('proxy-init', problems)
  return { kind: 'redirect', redirection }
}

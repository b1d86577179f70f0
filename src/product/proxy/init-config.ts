import { isIPv4 } from 'node:net'
import { workloadIdentityVersionFlag } from '#daemon'
import type { Problems } from '#lib'
import type { Environment, FlagSpecs, FlagValues, Program } from '#lib/flags'
import { metadataAddress } from '#product/imds'
import type { Redirection } from './redirect-metadata.ts'

/** Upstream has no flags: its script reads the environment only. */
export const proxyInitFlags = {
  version: workloadIdentityVersionFlag,
} as const satisfies FlagSpecs

export const proxyInitProgram: Program<typeof proxyInitFlags, Redirection> = {
  name: 'proxy-init',
  summary: "The init step of the proxy sidecar: redirects the pod's connections for IMDS to it.",
  flags: proxyInitFlags,
  configure,
}

function configure(_flags: FlagValues<typeof proxyInitFlags>, env: Environment, problems: Problems): Redirection {
  const number = (name: string, fallback: number, max: number): number => {
    const text = env[name] || String(fallback)
    const value = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= 1 && value <= max)) problems.unexpected(name, text, `a number from 1 to ${max}`)
    return value
  }
  const metadataIp = env.METADATA_IP || metadataAddress
  if (!isIPv4(metadataIp)) problems.unexpected('METADATA_IP', metadataIp, 'an IPv4 address')
  return {
    proxyPort: number('PROXY_PORT', 8000, 65_535),
    metadataIp,
    metadataPort: number('METADATA_PORT', 80, 65_535),
    proxyUid: number('PROXY_UID', 1501, 4_294_967_294),
  }
}

import type { HttpResponse } from '#lib/http'
import type { Vault } from './vault-address.ts'

/** REST version that we ask for first; the clouds of Microsoft serve it. */
const newest = '7.4'
/** The version that every vault ever had, for one that names none. */
const oldest = '2016-10-01'

/** Vaults are remembered in this number. */
const maxVaults = 1000

/**
 * Which REST version a vault is asked in. Azure Stack Hub serves older ones and answers 400 to a newer one, with the newest
 * that it knows; what a mount needs is the same in all of them. https://learn.microsoft.com/azure-stack/user/azure-stack-key-vault-intro
 */
export interface ApiVersions {
  of(vault: Vault): string
  /** Whether the vault refused its version and another one is worth a try; `of` gives that one from now on. */
  lower(vault: Vault, response: HttpResponse): boolean
}

export function createApiVersions(): ApiVersions {
  const lowered = new Map<string, string>()
  const of = ({ origin }: Vault) => lowered.get(origin) ?? newest
  return {
    of,
    lower(vault, { status, body }) {
      const used = of(vault)
      const text = status === 400 ? body.subarray(0, 4096).toString('utf8') : ''
      if (!/specified version \([^)]{1,40}\) is not recognized/i.test(text) || used === oldest) return false
      const named = /latest supported version \((7\.\d|2016-10-01)\)/i.exec(text)?.[1]
      const next = named !== undefined && named !== used && (named < used || named === oldest) ? named : oldest
      if (lowered.size >= maxVaults) lowered.clear()
      lowered.set(vault.origin, next)
      return true
    },
  }
}

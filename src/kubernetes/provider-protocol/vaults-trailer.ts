import type { Metadata } from '@grpc/grpc-js'

/**
 * Trailing metadata of a Mount answer: the hosts of all vaults that have objects of the volume, by commas. A driver may poll these rarely while
 * the operator hears of every change in them. Absent where they are not known. Other drivers ignore it.
 */
export const vaultsTrailer = 'keymount-vaults'

/** More are not named, and such a volume is polled as without it. */
const mostVaults = 16

/** The text of the trailer; empty for none. */
export function vaultsText(hosts: Iterable<string>): string {
  const all = [...new Set(hosts)]
  return all.length > mostVaults ? '' : all.join(',')
}

/** Reads trailing metadata; empty where the vaults are not known. A provider may have put anything there. */
export function vaultsIn(metadata: Metadata): readonly string[] {
  const [text] = metadata.get(vaultsTrailer)
  if (typeof text !== 'string' || text === '' || text.length > mostVaults * 254) return []
  const hosts = text.split(',')
  return hosts.length <= mostVaults && hosts.every((host) => /^[a-z0-9][a-z0-9.-]{0,252}$/.test(host)) ? hosts : []
}

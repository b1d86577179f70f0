import type { ProgramResult } from '#lib'
import { holdsCapability } from './capabilities.ts'

/** One of the kernel's packet filters, and the program that configures it. */
export interface PacketFilter {
  name: string
  /** Called with the name of an iptables command as its first argument. */
  program: string
}

/** Both have the command line of iptables. Either is enough, and a node may have only one of the filters. */
export const packetFilters: readonly PacketFilter[] = [
  { name: 'nf_tables', program: 'xtables-nft-multi' },
  { name: 'legacy iptables', program: 'xtables-legacy-multi' },
]

/** Why a filter cannot be used, and what would help. @param processStatus the text of /proc/self/status. */
export function explainFailure(
  { name, program }: PacketFilter,
  { status, stderr }: ProgramResult,
  processStatus: string,
): string {
  if (status === undefined) {
    return `${name}: this image has no ${program}, because the machine that built it did not have it`
  }
  // The legacy filter is reached through a raw socket.
  const lacksRaw = program === 'xtables-legacy-multi' && !holdsCapability(processStatus, 'NET_RAW')
  return `${name}: ${stderr.trim()}${lacksRaw ? ' (it needs the capability NET_RAW)' : ''}`
}

import { holdsCapability } from './capabilities.ts'
import type { ProgramResult } from './run-program.ts'

/** One of the kernel's packet filters, and the program that speaks to it. */
export interface PacketFilter {
  name: string
  /** Called with the name of an iptables command as its first word. */
  program: string
}

/** Both have the command line of iptables; either is enough, and a node may have one of the filters only. */
export const packetFilters: readonly PacketFilter[] = [
  { name: 'nf_tables', program: 'xtables-nft-multi' },
  { name: 'legacy iptables', program: 'xtables-legacy-multi' },
]

/** Why a filter could not be used, and what would help. @param processStatus the text of /proc/self/status. */
export function explainFailure(
  { name, program }: PacketFilter,
  { status, stderr }: ProgramResult,
  processStatus: string,
): string {
  if (status === undefined) {
    return `${name}: this image has no ${program}, because the machine that built it had none`
  }
  // The older filter is reached through a raw socket.
  const lacksRaw = program === 'xtables-legacy-multi' && !holdsCapability(processStatus, 'NET_RAW')
  return `${name}: ${stderr.trim()}${lacksRaw ? ' (it needs the capability NET_RAW)' : ''}`
}

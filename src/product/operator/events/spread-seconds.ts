import { classChangeLimits } from '#kubernetes/client'
import { manyNodes } from '../volume-count.ts'

/** Reads in a second that a change may cost a vault: 37 % of the 4,000 in 10 seconds that Key Vault allows. */
const vaultReadsPerSecond = 150

/** Over how many seconds the nodes of a class, which has so many objects, spread their reads after a change. */
export function spreadSeconds(nodes: number, objects: number): number {
  if (nodes < manyNodes) return 0
  return Math.min(Math.ceil((nodes * objects) / vaultReadsPerSecond), classChangeLimits.spreadSeconds.value)
}

import { type ClassChange, classChangeLimits } from '#kubernetes/client'
import { manyNodes } from '../volume-count.ts'

/** Reads in a second that a change may cost a vault: 37 % of the 4,000 in 10 seconds that Key Vault allows. */
const vaultReadsPerSecond = 150
/** Nodes that may sign in at once are as many as may do so in this time. */
const burstSeconds = 10

export type Spread = Pick<ClassChange, 'spreadSeconds' | 'signInSpreadSeconds'>

export interface ChangedClass {
  /** That have a volume of the class. */
  nodes: number
  objects: number
}

/**
 * Over how many seconds the nodes of a class spread their reads after a change: those that hold a token, and those that have to sign in.
 *
 * @param signInsPerSecond 0: sign-ins are not spread.
 */
export function spreadOf({ nodes, objects }: ChangedClass, signInsPerSecond: number): Spread {
  const { value: longest } = classChangeLimits.spreadSeconds
  const spreadSeconds = nodes < manyNodes ? 0 : Math.min(Math.ceil((nodes * objects) / vaultReadsPerSecond), longest)
  const isBurst = signInsPerSecond === 0 || nodes <= signInsAtOnce(signInsPerSecond)
  const signInSeconds = isBurst ? 0 : Math.min(Math.ceil(nodes / signInsPerSecond), longest)
  return { spreadSeconds, signInSpreadSeconds: Math.max(spreadSeconds, signInSeconds) }
}

/** Nodes that sign in without a spread. */
function signInsAtOnce(signInsPerSecond: number): number {
  return signInsPerSecond * burstSeconds
}

/** The smallest cluster whose nodes have to be known. */
export function fewestSpread(signInsPerSecond: number): number {
  return signInsPerSecond === 0 ? manyNodes : Math.min(manyNodes, signInsAtOnce(signInsPerSecond) + 1)
}

import type { CliWorld, Terminal } from '#terminal'
import type { LabHome } from './state/lab-home.ts'

/** What work on a lab needs of the outside world. Both commands and the local Azure do such work. */
export type LabWorld = Pick<CliWorld, 'env' | 'packageRoot' | 'cacheDirectory' | 'signal'>

/** What everything that changes a lab works with. */
export interface Session {
  home: LabHome
  world: LabWorld
  terminal: Terminal
}

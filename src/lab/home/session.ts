import type { CliWorld, Terminal } from '#terminal'
import type { LabHome } from './state/lab-home.ts'

/** What work on a lab needs of the outside world, whoever does it: a command, or the local Azure for its clusters. */
export type LabWorld = Pick<CliWorld, 'env' | 'packageRoot' | 'cacheDirectory' | 'signal'>

/** What every command on a lab works with. */
export interface Session {
  home: LabHome
  world: LabWorld
  terminal: Terminal
}

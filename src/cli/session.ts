import type { CliWorld } from './cli-world.ts'
import type { LabHome } from './lab-home.ts'
import type { Terminal } from './terminal.ts'

/** What every command on a lab works with. */
export interface Session {
  home: LabHome
  world: CliWorld
  terminal: Terminal
}

import type { World } from './world.ts'

/** One kind of run. */
export interface Scenario {
  name: string
  /** @param directory of this run, empty. Throws what `world.check` throws. */
  run(world: World, directory: string): Promise<void>
}

import { type ApiServerOptions, type SimulatedApiServer, startApiServer } from './simulated-api-server.ts'
import type { World } from './world.ts'

/** One kind of run. */
export interface Scenario {
  name: string
  /** @param directory of this run, empty. Throws what `world.check` throws. */
  run(world: World, directory: string): Promise<void>
}

/** What most runs are about: a world and its API server. */
export interface SimulatedCluster {
  world: World
  server: SimulatedApiServer
}

/** A scenario with an API server, which ends with a check of the world. */
export function clusterScenario(
  name: string,
  run: (cluster: SimulatedCluster) => Promise<void>,
  options?: ApiServerOptions,
): Scenario {
  return {
    name,
    async run(world, directory) {
      await run({ world, server: await startApiServer(world, directory, options) })
      world.check()
    },
  }
}

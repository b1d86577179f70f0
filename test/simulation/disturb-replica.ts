import type { LeadingReplica } from './leading-replicas.ts'
import { epoch, type World } from './world.ts'

/** One thing that goes wrong with one of the replicas of a controller. */
export function disturbReplica(world: World, replicas: readonly LeadingReplica[]): void {
  const { random } = world
  const { process, network } = random.pick(replicas)
  if (!process.alive) return
  const disturbances = [
    () => network.partition(random.between(1000, 60_000)),
    () => process.pause(random.between(100, 20_000)),
    () => process.stepWallClock(random.between(-1, 1) * 60_000),
    () => process.kill('killed'),
  ]
  random.pick(disturbances)()
}

/** Sets the clocks right after a storm. */
export function calmReplicas(world: World, replicas: readonly Pick<LeadingReplica, 'process'>[]): void {
  for (const { process } of replicas) process.stepWallClock(epoch + world.time.now - process.clock.now())
}

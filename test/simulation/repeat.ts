import type { World } from './world.ts'

/** The shortest and the longest pause, in milliseconds. */
type Pauses = readonly [number, number]

/** Runs something after each pause, to the end. */
export function repeat(world: World, [least, most]: Pauses, run: () => void): void {
  world.time.after(world.random.between(least, most), () => {
    run()
    repeat(world, [least, most], run)
  })
}

/** Runs something now and after each pause, as long as the world is stormy. */
export function repeatWhileStormy(world: World, [least, most]: Pauses, run: () => unknown): void {
  if (!world.stormy) return
  run()
  world.time.after(world.random.between(least, most), () => repeatWhileStormy(world, [least, most], run))
}

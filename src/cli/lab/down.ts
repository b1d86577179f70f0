import { existsSync, rmSync } from 'node:fs'
import { chosenHome, type DownOptions, takeDown } from '#lab/home'
import { type CliWorld, createTerminal, exitCodes } from '#terminal'

export interface DownCommand {
  /** `--home`. */
  home: string | undefined
  options: DownOptions & { deleteState?: boolean | undefined }
  world: CliWorld
}

/** `keymount down`: stops the lab, and deletes its state if asked to. */
export async function down({ home: named, options, world }: DownCommand): Promise<number> {
  const terminal = createTerminal(world)
  const home = chosenHome(world, named)
  if (!existsSync(home.root)) {
    terminal.line(`There is no lab in ${home.root}.`)
    return exitCodes.ok
  }
  const wasUp = await takeDown({ home, world, terminal }, options)
  const before = wasUp ? 'is down' : 'was not up'
  if (options.deleteState === true) {
    rmSync(home.root, { recursive: true, force: true })
    terminal.line(`The lab ${before}; deleted ${home.root} with its vaults, identities, cluster objects and logs.`)
  } else {
    terminal.line(`The lab in ${home.root} ${before}; its state is kept.`)
  }
  return exitCodes.ok
}

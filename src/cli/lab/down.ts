import { existsSync, readdirSync, rmSync } from 'node:fs'
import { chosenHome, type DownOptions, type LabHome, takeDown } from '#lab/home'
import { type CliWorld, createTerminal, exitCodes } from '#terminal'

export interface DownCommand {
  /** `--home`. */
  home: string | undefined
  options: DownOptions & { deleteState?: boolean | undefined }
  json: boolean
  world: CliWorld
}

/** `keymount down`: stops the lab, and deletes its state if asked to. */
export async function down({ home: named, options, json, world }: DownCommand): Promise<number> {
  const terminal = createTerminal(world)
  const home = chosenHome(world, named)
  const exists = existsSync(home.root)
  const wasUp = exists && (await takeDown({ home, world, terminal }, options))
  const stateDeleted = exists && options.deleteState === true
  if (stateDeleted) deleteState(home.root)
  if (json) terminal.line(JSON.stringify({ home: home.root, exists, wasUp, stateDeleted }, null, 2))
  else terminal.line(summary(home.root, { exists, wasUp, stateDeleted }))
  if (!json && exists && hasVariables(home, world)) {
    terminal.line('This shell still has the variables of the lab. To get your own back:')
    terminal.line('  eval "$(keymount env --unset)"')
  }
  return exitCodes.ok
}

/** Whether the shell has evaluated `keymount env` of this lab. */
function hasVariables({ azureCli, caBundle, kubeconfig }: LabHome, { env }: CliWorld): boolean {
  return [
    env.AZURE_CONFIG_DIR === azureCli,
    env.NODE_EXTRA_CA_CERTS === caBundle,
    env.KUBECONFIG === kubeconfig,
  ].includes(true)
}

/** A directory that is a mount point itself stays, empty. */
function deleteState(root: string): void {
  try {
    rmSync(root, { recursive: true, force: true })
  } catch (error) {
    // Node's error has no code of its own for this.
    if (readdirSync(root).length > 0) throw error
  }
}

function summary(
  root: string,
  { exists, wasUp, stateDeleted }: { exists: boolean; wasUp: boolean; stateDeleted: boolean },
): string {
  if (!exists) return `There is no lab in ${root}.`
  const before = wasUp ? 'is down' : 'was not up'
  return stateDeleted
    ? `The lab ${before}; deleted ${root} with its vaults, identities, cluster objects and logs.`
    : `The lab in ${root} ${before}; its state is kept.`
}

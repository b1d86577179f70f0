import type { LabHome } from '#lab/home'
import { createLabControl, findLocalAzure, type LabControl, type LabFault } from '#lab/home'
import { nearestName } from '#lib'
import { formatDuration } from '#lib/formats'
import type { CliWorld } from '#terminal'
import { CliError, createTerminal, exitCodes } from '#terminal'

export interface AzureThrottleCommand {
  home: LabHome
  /** A name, a host or a URL. */
  vault: string
  /** Undefined: until it is taken back. */
  forMs: number | undefined
  retryAfterSeconds: number
  off: boolean
  world: CliWorld
}

const vaultSuffix = '.vault.azure.net'

/** Makes a vault of the lab answer 429 to everything, or lets it answer again. */
export async function azureThrottle(command: AzureThrottleCommand): Promise<number> {
  const { home, forMs, retryAfterSeconds, off, world } = command
  const { line, style } = createTerminal(world)
  const control = labControlOf(home)
  const name = await vaultNamed(command.vault, control)
  const host = `${name}${vaultSuffix}`
  if (off) {
    await control.clearFault(host)
    line(`${host} answers again.`)
    return exitCodes.ok
  }
  await control.throttle(host, { retryAfterSeconds, forMs })
  const end = forMs === undefined ? '' : ` for ${formatDuration(forMs)}`
  line(`${host} answers 429 to every request${end}, with Retry-After: ${retryAfterSeconds}.`)
  if (forMs === undefined) line(style.dim(`  ${world.programName} azure throttle ${name} --off  ends it`))
  return exitCodes.ok
}

/** Shows what is broken on purpose. */
export async function azureFaults({ home, json, world }: { home: LabHome; json: boolean; world: CliWorld }) {
  const { line } = createTerminal(world)
  const faults = await labControlOf(home).faults()
  if (json) line(JSON.stringify(faults, null, 2))
  else if (Object.keys(faults).length === 0) line('No host of the local Azure has a fault.')
  else for (const [host, fault] of Object.entries(faults)) line(`${host}  ${describe(fault)}`)
  return exitCodes.ok
}

function describe(fault: LabFault): string {
  const what = {
    unreachable: () => 'looks down',
    throttle: () => `answers 429${fault.kind === 'throttle' ? `, Retry-After: ${fault.retryAfterSeconds}` : ''}`,
    error: () => `answers ${fault.kind === 'error' ? fault.status : ''}`,
  }[fault.kind]()
  return fault.untilMs === undefined ? what : `${what}, until ${new Date(fault.untilMs).toISOString()}`
}

function labControlOf(home: LabHome): LabControl {
  const azure = findLocalAzure(home)
  if (azure !== undefined) return createLabControl(azure.control)
  throw new CliError({
    what: `No local Azure runs in ${home.root}`,
    fix: ['start it: keymount up', 'or name another lab: --home DIR'],
    exitCode: exitCodes.notUp,
  })
}

/** The vault's name as the lab has it. Throws {@link CliError} when there is none. */
async function vaultNamed(given: string, control: LabControl): Promise<string> {
  const host = URL.parse(given)?.hostname || given
  const wanted = host.toLowerCase().replace(/\.$/, '').replace(vaultSuffix, '')
  const vaults = await control.vaults()
  const found = vaults.find((name) => name.toLowerCase() === wanted)
  if (found !== undefined) return found
  const near = nearestName(wanted, vaults)
  throw new CliError({
    what: `The lab has no vault ${given}`,
    why: vaults.length === 0 ? 'it has none yet' : `its vaults: ${vaults.join(', ')}`,
    fix: near === undefined ? ['make one: az keyvault create'] : [`did you mean ${near}?`],
  })
}

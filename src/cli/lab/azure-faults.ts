import { chosenHome, createLabControl, findLocalAzure, type LabControl, type LabFault, type LabHome } from '#lab/home'
import { nearestName } from '#lib'
import { formatDuration, parseDuration } from '#lib/formats'
import { CliError, type CliWorld, createTerminal, exitCodes } from '#terminal'

export interface AzureThrottleCommand {
  /** `--home`. */
  home: string | undefined
  /** A name, a host or a URL. */
  vault: string
  /** Go duration. Default: until it is switched off. */
  duration: string | undefined
  retryAfterSeconds: number
  off: boolean
  json: boolean
  world: CliWorld
}

const vaultSuffix = '.vault.azure.net'

/** `keymount azure throttle`: makes a vault of the lab answer 429 to everything, or lets it answer again. */
export async function azureThrottle(command: AzureThrottleCommand): Promise<number> {
  const { duration, retryAfterSeconds, off, json, world } = command
  const { line, style } = createTerminal(world)
  const home = chosenHome(world, command.home)
  const control = labControlOf(home)
  const name = await findVault(command.vault, control)
  const host = `${name}${vaultSuffix}`
  if (off) {
    await control.clearFault(host)
    line(json ? JSON.stringify({ host, fault: null }, null, 2) : `${host} answers again.`)
    return exitCodes.ok
  }
  const forMs = duration === undefined ? undefined : parseDuration(duration)
  await control.throttle(host, { retryAfterSeconds, forMs })
  if (json) {
    const fault = { kind: 'throttle', retryAfterSeconds, forSeconds: forMs === undefined ? null : forMs / 1000 }
    line(JSON.stringify({ host, fault }, null, 2))
    return exitCodes.ok
  }
  const end = forMs === undefined ? '' : ` for ${formatDuration(forMs)}`
  line(`${host} answers 429 to every request${end}, with Retry-After: ${retryAfterSeconds}.`)
  if (forMs === undefined) line(`  ${style.dim('to end it:')} keymount azure throttle ${name} --off${home.option}`)
  return exitCodes.ok
}

export interface AzureFaultsCommand {
  /** `--home`. */
  home: string | undefined
  json: boolean
  world: CliWorld
}

/** `keymount azure faults`: shows which hosts fail on purpose. */
export async function azureFaults({ home, json, world }: AzureFaultsCommand): Promise<number> {
  const { line } = createTerminal(world)
  const faults = await labControlOf(chosenHome(world, home)).faults()
  if (json) line(JSON.stringify(faults, null, 2))
  else if (Object.keys(faults).length === 0) line('No host of the local Azure has a fault.')
  else for (const [host, fault] of Object.entries(faults)) line(`${host}  ${describe(fault)}`)
  return exitCodes.ok
}

function describe(fault: LabFault): string {
  const what = {
    unreachable: () => 'does not answer',
    throttle: () => `answers 429${fault.kind === 'throttle' ? `, Retry-After: ${fault.retryAfterSeconds}` : ''}`,
    error: () => `answers ${fault.kind === 'error' ? fault.status : ''}`,
  }[fault.kind]()
  return fault.untilMs === undefined ? what : `${what}, until ${new Date(fault.untilMs).toISOString()}`
}

function labControlOf(home: LabHome): LabControl {
  const azure = findLocalAzure(home)
  if (azure !== undefined) return createLabControl(azure.control)
  throw new CliError({
    what: `No local Azure is running in ${home.root}`,
    fix: [`start it: keymount up${home.option}`, 'or name another lab: --home DIR'],
    code: 'notUp',
  })
}

/** The vault's name as the lab spells it. Throws {@link CliError} if there is no such vault. */
async function findVault(given: string, control: LabControl): Promise<string> {
  const host = URL.parse(given)?.hostname || given
  const wanted = host.toLowerCase().replace(/\.$/, '').replace(vaultSuffix, '')
  const vaults = await control.vaults()
  const found = vaults.find((name) => name.toLowerCase() === wanted)
  if (found !== undefined) return found
  const near = nearestName(wanted, vaults)
  throw new CliError({
    what: `The lab has no vault ${given}`,
    why: vaults.length === 0 ? 'it has none yet' : `its vaults: ${vaults.join(', ')}`,
    fix: [near === undefined ? `create one: az keyvault create --name ${wanted}` : `did you mean ${near}?`],
  })
}

import {
  chosenHome,
  createLabControl,
  findLocalAzure,
  type LabControl,
  type LabFault,
  type LabHome,
  type NewLabFault,
} from '#lab/home'
import { nearestName } from '#lib'
import { formatDuration, parseDuration } from '#lib/formats'
import { SocketCallError } from '#lib/http'
import { CliError, type CliWorld, commandLine, createTerminal, exitCodes } from '#terminal'
import type { FaultOptions } from './fault-options.ts'

export interface AzureFaultCommand {
  /** `--home`. */
  home: string | undefined
  /** A vault's name, host or URL; with `anyHost` also `entra`, `imds` or another host. */
  host: string
  anyHost: boolean
  /** Undefined ends the host's fault. */
  fault: NewLabFault | undefined
  /** Go duration. Default: until it is switched off. */
  duration: string | undefined
  /** What ends the fault, after the name of the program and before the host: `azure fault --clear`. */
  ended: { words: string; option: string }
  json: boolean
  world: CliWorld
}

const vaultSuffix = '.vault.azure.net'

/** Hosts of Azure other than vaults, by short names. */
const otherHosts = new Map([
  ['entra', 'login.microsoftonline.com'],
  ['imds', '169.254.169.254'],
])

/** `keymount azure fault` and `keymount azure throttle`: makes a host of the lab fail, or lets it answer again. */
export async function azureFault(command: AzureFaultCommand): Promise<number> {
  const { fault, ended, json, world } = command
  const { line, style } = createTerminal(world)
  const home = chosenHome(world, command.home)
  const forMs = durationOf(command.duration)
  const control = labControlOf(home)
  const { host, name } = await findHost(command, control, home)
  if (fault === undefined) {
    await served(host, control.clearFault(host))
    line(json ? JSON.stringify({ host, fault: null }, null, 2) : `${host} answers again.`)
    return exitCodes.ok
  }
  await served(host, control.setFault(host, fault, forMs))
  if (json) {
    const shown = { ...fault, forSeconds: forMs === undefined ? null : forMs / 1000 }
    line(JSON.stringify({ host, fault: shown }, null, 2))
    return exitCodes.ok
  }
  line(`${host} ${describe(fault, forMs === undefined ? '' : ` for ${formatDuration(forMs)}`)}.`)
  if (forMs === undefined)
    line(`  ${style.dim('to end it:')} keymount azure ${ended.words} ${name} ${ended.option}${home.option}`)
  return exitCodes.ok
}

/** The fault that the options name; undefined for none. Throws {@link CliError} where they name nothing. */
export function faultOf({ unreachable, status, throttle, retryAfter, clear }: FaultOptions): NewLabFault | undefined {
  if (retryAfter !== undefined && throttle !== true) {
    throw new CliError({
      what: '--retry-after is given without --throttle',
      fix: ['--throttle --retry-after SECONDS, which answers 429, or no --retry-after'],
      code: 'usage',
    })
  }
  if (unreachable === true) return { kind: 'unreachable' }
  if (status !== undefined) return { kind: 'error', status }
  if (throttle === true) return { kind: 'throttle', retryAfterSeconds: retryAfter ?? 1 }
  if (clear === true) return undefined
  throw new CliError({
    what: 'How the host fails is missing',
    fix: ['one of --unreachable, --status 503 and --throttle', 'or --clear, which lets it answer again'],
    code: 'usage',
  })
}

const maxForMs = 24 * 3_600_000

function durationOf(text: string | undefined): number | undefined {
  const ms = text === undefined ? undefined : parseDuration(text)
  if (ms === undefined || (ms >= 1 && ms <= maxForMs)) return ms
  throw new CliError({
    what: `--for is ${text}`,
    fix: [`a duration from 1ms to ${formatDuration(maxForMs)}, or no --for: until it is ended`],
    code: 'usage',
  })
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
  else for (const [host, fault] of Object.entries(faults)) line(`${host}  ${describe(fault, endOf(fault))}`)
  return exitCodes.ok
}

function describe(fault: NewLabFault, end: string): string {
  switch (fault.kind) {
    case 'unreachable':
      return `does not answer${end}`
    case 'throttle':
      return `answers 429 to every request${end}, with Retry-After: ${fault.retryAfterSeconds}`
    case 'error':
      return `answers ${fault.status} to every request${end}`
    default:
      throw new Error(`unknown fault ${JSON.stringify(fault satisfies never)}`)
  }
}

function endOf({ untilMs }: LabFault): string {
  return untilMs === undefined ? '' : ` until ${new Date(untilMs).toISOString()}`
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

/** Throws {@link CliError} where the lab has refused the host. */
async function served(host: string, change: Promise<void>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (!(error instanceof SocketCallError) || error.code !== 400) throw error
    throw new CliError({
      what: `The local Azure does not serve ${host}`,
      fix: ['the name or URL of a vault, entra, imds, or a host of Azure such as management.azure.com'],
    })
  }
}

/** The host, and the shortest name for it. Throws {@link CliError} if there is no such vault, or the name cannot be a host's. */
async function findHost(
  { host: given, anyHost }: AzureFaultCommand,
  control: LabControl,
  home: LabHome,
): Promise<{ host: string; name: string }> {
  const host = (URL.parse(given)?.hostname || given).toLowerCase().replace(/\.$/, '')
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)*$/.test(host)) {
    throw new CliError({
      what: `${JSON.stringify(given)} is not the name of a host`,
      fix: ['a name or URL of letters, digits, - and ., such as shop or https://shop.vault.azure.net'],
      code: 'usage',
    })
  }
  const other = anyHost ? otherHosts.get(host) : undefined
  if (other !== undefined) return { host: other, name: host }
  const vaults = await control.vaults()
  const vault = vaults.find((one) => one.toLowerCase() === host.replace(vaultSuffix, ''))
  if (vault !== undefined) {
    const full = `${vault}${vaultSuffix}`.toLowerCase()
    return { host: full, name: anyHost && otherHosts.has(vault.toLowerCase()) ? full : vault }
  }
  // The lab refuses a host that it does not serve.
  if (anyHost && host.includes('.') && !host.endsWith(vaultSuffix)) return { host, name: host }
  throw noSuchVault({ given, wanted: host.replace(vaultSuffix, ''), vaults, home })
}

interface MissingVault {
  given: string
  wanted: string
  vaults: readonly string[]
  home: LabHome
}

function noSuchVault({ given, wanted, vaults, home }: MissingVault): CliError {
  const near = nearestName(wanted, vaults)
  return new CliError({
    what: `The lab has no vault ${given}`,
    why: vaults.length === 0 ? 'it has none yet' : `its vaults: ${vaults.join(', ')}`,
    fix: [
      near === undefined
        ? `create it: ${commandLine('keymount', 'azure', 'vault', 'create', wanted)}${home.option}`
        : `did you mean ${near}?`,
    ],
  })
}

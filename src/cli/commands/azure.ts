import { type Command, InvalidArgumentError, Option } from 'commander'
import { defineCommand } from '../command.ts'
import type { FaultOptions } from '../lab/fault-options.ts'
import {
  addHome,
  addOutput,
  type HomeOption,
  type OutputOption,
  parseSeconds,
  TimeOption,
  wantsJson,
} from '../options.ts'

const throttle = defineCommand<HomeOption & OutputOption & { for?: string; retryAfter: number; off?: boolean }>({
  name: 'throttle',
  summary: 'make a vault answer 429 to everything',
  description:
    'Makes a vault of the lab answer every request with 429 and Retry-After, as Key Vault does under load. Ends after ' +
    '--for, with --off, or when the lab goes down.',
  options(command) {
    addOutput(addHome(command))
      .argument('<vault>', 'its name or URL')
      .addOption(new TimeOption('--for <time>', 'how long, as a Go duration (default: until --off)'))
      .option('--retry-after <seconds>', 'value of Retry-After', parseSeconds, 1)
      .option('--off', 'let the vault answer again')
  },
  async run({ options: { home, for: duration, retryAfter, off = false, ...options }, words: [vault = ''], world }) {
    const { azureFault } = await import('../lab/azure-faults.ts')
    return azureFault({
      ...{ home, host: vault, anyHost: false, duration, world },
      fault: off ? undefined : { kind: 'throttle', retryAfterSeconds: retryAfter },
      ended: { words: 'throttle', option: '--off' },
      json: wantsJson(options),
    })
  },
})

interface FaultCommandOptions extends HomeOption, OutputOption, FaultOptions {
  for?: string
}

const fault = defineCommand<FaultCommandOptions>({
  name: 'fault',
  summary: 'make a vault or Entra fail, to rehearse an outage',
  description:
    'Makes a host of the lab fail: a vault by its name or URL, Entra as entra, the instance metadata service as imds, or ' +
    'another host that the lab serves. Ends after --for, with --clear, or when the lab goes down.',
  notes: (programName) =>
    [
      'For example:',
      `  ${programName} azure fault shop --unreachable --for 5m`,
      `  ${programName} azure fault entra --status 503`,
      `  ${programName} azure fault shop --clear`,
    ].join('\n'),
  options(command) {
    const kinds = ['unreachable', 'status', 'throttle', 'clear']
    const kind = (flags: string, help: string) => {
      const option = new Option(flags, help)
      return option.conflicts(kinds.filter((one) => one !== option.attributeName()))
    }
    addOutput(addHome(command))
      .argument('<host>', 'name or URL of a vault, entra, imds, or a host')
      .addOption(kind('--unreachable', 'cut its connections, and refuse new ones'))
      .addOption(kind('--status <code>', 'answer every request with this status').argParser(parseErrorStatus))
      .addOption(kind('--throttle', 'answer every request with 429 and Retry-After'))
      .option('--retry-after <seconds>', 'value of Retry-After for --throttle (default: 1)', parseSeconds)
      .addOption(new TimeOption('--for <time>', 'how long, as a Go duration (default: until --clear)'))
      .addOption(kind('--clear', 'let it answer again'))
  },
  async run({ options: { home, for: duration, ...options }, words: [host = ''], world }) {
    const { azureFault, faultOf } = await import('../lab/azure-faults.ts')
    return azureFault({
      ...{ home, host, anyHost: true, duration, world },
      fault: faultOf(options),
      ended: { words: 'fault', option: '--clear' },
      json: wantsJson(options),
    })
  },
})

function parseErrorStatus(text: string): number {
  const status = Number(text)
  if (/^\d{3}$/.test(text) && status >= 400 && status <= 599) return status
  throw new InvalidArgumentError('Expected a status from 400 to 599, such as 503.')
}

const faults = defineCommand<HomeOption & OutputOption>({
  name: 'faults',
  summary: 'show which hosts fail on purpose',
  options(command) {
    addOutput(addHome(command))
  },
  async run({ options: { home, ...options }, world }) {
    const { azureFaults } = await import('../lab/azure-faults.ts')
    return azureFaults({ home, json: wantsJson(options), world })
  },
})

interface VaultOptions {
  vault?: string[]
  secret?: string[]
  offline?: boolean
}

const collect = (text: string, before: string[] = []) => [...before, text]

function addVaults(command: Command): Command {
  return command
    .option('--vault <name>', 'create this vault; repeatable (default: test, if there are secrets)', collect)
    .option('--secret <name=value>', 'set a secret in the first vault, or VAULT/NAME=VALUE; repeatable', collect)
    .option('--offline', 'refuse connections to hosts that the local Azure does not serve')
}

const exec = defineCommand<VaultOptions>({
  name: 'exec',
  summary: 'run a command with a Key Vault emulator of its own',
  description:
    'Starts a local Azure for one command, creates the vaults, sets the variables that the Azure SDKs read, runs the command ' +
    'and exits with its status. Nothing stays.',
  notes: (programName) =>
    ['For example:', `  ${programName} azure exec --vault app --secret password=example -- pytest`].join('\n'),
  options(command) {
    addVaults(command).argument('<command...>', 'program and arguments, after --')
  },
  async run({ options: { vault = [], secret = [], offline = false }, words: [command], world }) {
    const { azureExec } = await import('../lab/azure-emulator.ts')
    return azureExec({ vaults: vault, secrets: secret, offline, command: [command ?? []].flat(), world })
  },
})

const serve = defineCommand<VaultOptions>({
  name: 'serve',
  summary: 'run a Key Vault emulator for a test fixture',
  description:
    'Starts a local Azure, creates the vaults, and prints the variables for clients as one line of JSON. Stops when standard ' +
    'input ends, so that it never outlives the test run that started it.',
  options: addVaults,
  async run({ options: { vault = [], secret = [], offline = false }, world }) {
    const { azureServe } = await import('../lab/azure-emulator.ts')
    return azureServe({ vaults: vault, secrets: secret, offline, world })
  },
})

const createVault = defineCommand<HomeOption & OutputOption & Pick<VaultOptions, 'secret'>>({
  name: 'create',
  summary: 'create a vault of the lab that its administrator may use',
  options(command) {
    addOutput(addHome(command))
      .argument('<name>', 'name of the vault')
      .option('--secret <name=value>', 'set a secret; repeatable', collect)
  },
  async run({ options: { home, secret = [], ...options }, words: [name = ''], world }) {
    const { azureVaultCreate } = await import('../lab/azure-emulator.ts')
    return azureVaultCreate({ home, name, secrets: secret, json: wantsJson(options), world })
  },
})

const vault = defineCommand({
  name: 'vault',
  summary: 'manage vaults of the lab',
  subcommands: async () => [createVault],
})

export const command = defineCommand({
  name: 'azure',
  group: 'lab',
  summary: 'use the local Azure as a Key Vault emulator, or make it fail on purpose',
  subcommands: async () => [exec, serve, vault, fault, throttle, faults],
})

import type { Command } from 'commander'
import { defineCommand } from '../command.ts'
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
    const { azureThrottle } = await import('../lab/azure-faults.ts')
    return azureThrottle({
      ...{ home, vault, duration, retryAfterSeconds: retryAfter, off, world },
      json: wantsJson(options),
    })
  },
})

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
  subcommands: async () => [exec, serve, vault, throttle, faults],
})

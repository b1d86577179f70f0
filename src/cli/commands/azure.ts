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

const throttle = defineCommand<HomeOption & { for?: string; retryAfter: number; off?: boolean }>({
  name: 'throttle',
  summary: 'make a vault answer 429 to everything',
  description:
    'Makes a vault of the lab answer every request with 429 and Retry-After, as Key Vault does under load. Ends after ' +
    '--for, with --off, or when the lab goes down.',
  options(command) {
    addHome(command)
      .argument('<vault>', 'its name or URL')
      .addOption(new TimeOption('--for <time>', 'how long, as a Go duration (default: until --off)'))
      .option('--retry-after <seconds>', 'value of Retry-After', parseSeconds, 1)
      .option('--off', 'let the vault answer again')
  },
  async run({ options: { home, for: duration, retryAfter, off = false }, words: [vault = ''], world }) {
    const { azureThrottle } = await import('../lab/azure-faults.ts')
    return azureThrottle({ home, vault, duration, retryAfterSeconds: retryAfter, off, world })
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

export const command = defineCommand({
  name: 'azure',
  group: 'lab',
  summary: 'make the local Azure fail on purpose',
  subcommands: async () => [throttle, faults],
})

import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<HomeOption & OutputOption & { shell: 'sh' | 'fish'; unset?: boolean }>({
  name: 'env',
  group: 'lab',
  summary: 'print the variables that point kubectl, az and the SDKs at the lab',
  description:
    'Prints the variables that point kubectl, az and the SDKs at the lab, and signs az in as its administrator.',
  notes: (programName) =>
    [
      'In your shell:',
      `  eval "$(${programName} env)"               sh, bash, zsh`,
      `  ${programName} env --shell fish | source   fish`,
      `  eval "$(${programName} env --unset)"       back to your own`,
    ].join('\n'),
  options(command) {
    addHome(command).addOption(
      new Option('--shell <which>', 'syntax of the output').choices(['sh', 'fish']).default('sh'),
    )
    addOutput(command).option('--unset', 'print what undoes it: your own values, and unset for the others')
  },
  async run({ options: { home, shell, unset = false, ...options }, world }) {
    const { env } = await import('../lab/env.ts')
    return env({ home, unset, format: wantsJson(options) ? 'json' : shell, world })
  },
})

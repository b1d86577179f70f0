import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<HomeOption & OutputOption & { shell: 'sh' | 'fish' }>({
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
    ].join('\n'),
  options(command) {
    addHome(command).addOption(
      new Option('--shell <which>', 'syntax of the output').choices(['sh', 'fish']).default('sh'),
    )
    addOutput(command)
  },
  async run({ options: { home, shell, ...options }, world }) {
    const { env } = await import('../lab/env.ts')
    return env({ home, format: wantsJson(options) ? 'json' : shell, world })
  },
})

import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<
  HomeOption & OutputOption & { shell: 'sh' | 'fish'; unset?: boolean; admin?: boolean }
>({
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
    addOutput(command)
      .option(
        '--admin',
        'also sign the SDKs in as the administrator (AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), without az',
      )
      .addOption(
        new Option('--unset', 'print what undoes it: your own values, and unset for the others').conflicts('admin'),
      )
  },
  async run({ options: { home, shell, unset = false, admin = false, ...options }, world }) {
    const { env } = await import('../lab/env.ts')
    return env({ home, unset, admin, format: wantsJson(options) ? 'json' : shell, world })
  },
})

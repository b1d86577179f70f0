import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<HomeOption & OutputOption>({
  name: 'status',
  group: 'lab',
  summary: 'show what is running',
  description:
    'Shows the processes and ports of the lab, the pods of Keymount, and the mounted volumes: first those with values ' +
    'of memory or a fallback because their vault could not answer, then those whose last check failed. The exit status is 0 if all of it works, 3 if the lab is not up, and 1 otherwise.',
  options(command) {
    addOutput(addHome(command))
  },
  async run({ options: { home, ...options }, world }) {
    const { status } = await import('../lab/status.ts')
    return status({ home, json: wantsJson(options), world })
  },
})

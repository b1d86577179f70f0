import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<HomeOption & OutputOption>({
  name: 'status',
  group: 'lab',
  summary: 'show what is running; status volumes, objects, … list what any cluster has',
  description:
    'Shows the processes and ports of the lab, the pods of Keymount, the pods that wait for a volume, and the mounted volumes: ' +
    'first those with values of memory or a fallback because their vault could not answer, then those whose last check failed. ' +
    'The exit status is 0 if all of it works and no pod waits, 3 if the lab is not up, and 1 otherwise. ' +
    'With the name of a view: its rows, of any cluster with Keymount, as keymount dashboard shows them.',
  options(command) {
    addOutput(addHome(command))
  },
  async subcommands() {
    const { viewCommands } = await import('../status/view-command.ts')
    return viewCommands
  },
  async run({ options: { home, ...options }, world }) {
    const { status } = await import('../lab/status.ts')
    return status({ home, json: wantsJson(options), world })
  },
})

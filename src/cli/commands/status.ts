import { defineCommand } from '../command.ts'
import { addHome, addOutput, type ClusterOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<ClusterOption & OutputOption>({
  name: 'status',
  group: 'lab',
  summary: 'show what is running; status volumes, objects, … list what any cluster has',
  description:
    'Shows the processes and ports of the lab, and of the cluster (that of --kubeconfig, of KUBECONFIG, or of the lab) the pods of Keymount, the pods that wait for a volume, and the mounted volumes: ' +
    'first those with values of memory or a fallback because their vault could not answer, then those whose last check failed. ' +
    'The exit status is 0 if all of it works and no pod waits, 3 if there is neither a lab nor another cluster, and 1 otherwise. ' +
    'With the name of a view: its rows, of any cluster with Keymount, as keymount dashboard shows them.',
  options(command) {
    addOutput(addHome(command)).option(
      '--kubeconfig <file>',
      'the cluster (default: KUBECONFIG, the cluster of the lab, or ~/.kube/config)',
    )
  },
  async subcommands() {
    const { viewCommands } = await import('../status/view-command.ts')
    return viewCommands
  },
  async run({ options: { home, kubeconfig, ...options }, world }) {
    const { status } = await import('../lab/status.ts')
    return status({ home, kubeconfig, json: wantsJson(options), world })
  },
})

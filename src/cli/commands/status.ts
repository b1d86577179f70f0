import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { addHome, type ClusterOption } from '../options.ts'
import type { StatusFormat } from '../status/print-format.ts'

interface StatusOptions extends ClusterOption {
  output?: Exclude<StatusFormat, 'text'> | undefined
  json?: boolean | undefined
}

export const command = defineCommand<StatusOptions>({
  name: 'status',
  group: 'lab',
  summary: 'show what is running; status volumes, objects, … list what any cluster has',
  description:
    'Shows the processes and ports of the lab, and of the cluster (that of --kubeconfig, of KUBECONFIG, or of the lab) the pods of Keymount, the pods that wait for a volume, and the mounted volumes: ' +
    'first those with values of memory or a fallback because their vault could not answer, then those whose last check failed. ' +
    'The exit status is 0 if all of it works and no pod waits, 3 if there is neither a lab nor another cluster, and 1 otherwise. ' +
    'With the name of a view: its rows, of any cluster with Keymount, as keymount dashboard shows them.',
  options(command) {
    addHome(command)
      .addOption(new Option('-o, --output <format>', 'print the result in this format').choices(['json', 'yaml']))
      .option('--json', 'the same as --output json')
      .option('--kubeconfig <file>', 'the cluster (default: KUBECONFIG, the cluster of the lab, or ~/.kube/config)')
  },
  async subcommands() {
    const { viewCommands } = await import('../status/view-command.ts')
    return viewCommands
  },
  async run({ options: { home, kubeconfig, output, json }, world }) {
    const { status } = await import('../lab/status.ts')
    return status({ home, kubeconfig, format: json === true ? 'json' : (output ?? 'text'), world })
  },
})

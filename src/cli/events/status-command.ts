import { defineCommand } from '../command.ts'
import { addCluster, addOutput, type ClusterOption, type OutputOption, wantsJson } from '../options.ts'

export const statusCommand = defineCommand<ClusterOption & OutputOption>({
  name: 'status',
  summary: 'show what the operator received, how late it is, and which classes changed',
  description:
    'Reads the metrics of the operator through the API server, the warnings on its pod, and the annotation keymount.dev/changed of ' +
    'all classes. It ends with 1 when a source does not answer, or no operator runs.',
  options(command) {
    addCluster(command)
    addOutput(command)
  },
  async run({ options, world }) {
    const { eventsStatus } = await import('./status.ts')
    const { kubeconfig, home } = options
    return eventsStatus({ json: wantsJson(options), cluster: { kubeconfig, home }, world })
  },
})

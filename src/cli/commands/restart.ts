import { defineCommand } from '../command.ts'
import { addHome, addOutput, type ClusterOption, type OutputOption, wantsJson } from '../options.ts'

interface RestartOptions extends ClusterOption, OutputOption {
  namespace?: string
  dryRun?: boolean
  guess?: boolean
  reloaderAnnotations?: boolean
}

export const command = defineCommand<RestartOptions>({
  name: 'restart',
  group: 'cluster',
  summary: 'list the workloads that the operator would restart, and why not yet',
  description:
    'Lists the workloads that ask for a restart when their secrets change (annotation keymount.dev/restart-on-rotation), ' +
    'what the operator would do about each now, and what it waits for. Restarts nothing: that is the work of the operator ' +
    '(restart.enabled of the chart).',
  options(command) {
    addHome(command)
      .option('--dry-run', 'required: there is nothing else this command does')
      .option('-n, --namespace <namespace>', 'only this namespace (default: all)')
      .option('--guess', 'as restart.guess of the chart')
      .option('--reloader-annotations', 'as restart.reloaderAnnotations of the chart')
      .option('--kubeconfig <file>', 'the cluster')
    addOutput(command)
  },
  async run({ options, world }) {
    const { listRestarts } = await import('../restart/list-restarts.ts')
    const { namespace, kubeconfig, home, dryRun = false, guess = false, reloaderAnnotations = false } = options
    const cluster = { kubeconfig, home }
    return listRestarts({ namespace, dryRun, guess, reloaderAnnotations, json: wantsJson(options), cluster, world })
  },
})

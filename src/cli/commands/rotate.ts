import { defineCommand } from '../command.ts'
import { addHome, addOutput, type ClusterOption, type OutputOption, TimeOption, wantsJson } from '../options.ts'

export const command = defineCommand<ClusterOption & OutputOption & { namespace?: string; timeout: string }>({
  name: 'rotate',
  group: 'cluster',
  summary: 'read the values of a class again now, in every pod that mounts it',
  description:
    'Makes every mounted volume of a SecretProviderClass read its values again now instead of at its next interval, ' +
    'waits, and prints the result for each pod. The cluster is that of --kubeconfig, of KUBECONFIG, or of the lab.',
  options(command) {
    addHome(command)
      .argument('<class>', 'name of the SecretProviderClass')
      .option('-n, --namespace <namespace>', 'namespace of the class (default: that of the kubeconfig’s context)')
      .option('--kubeconfig <file>', 'the cluster')
      .addOption(new TimeOption('--timeout <time>', 'how long to wait for the pods, as a Go duration').default('2m'))
    addOutput(command)
  },
  async run({ options, words: [className = ''], world }) {
    const { rotate } = await import('../rotate/rotate.ts')
    const { namespace, timeout, kubeconfig, home } = options
    return rotate({ className, namespace, timeout, json: wantsJson(options), cluster: { kubeconfig, home }, world })
  },
})

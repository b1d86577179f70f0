import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { addCluster, type ClusterOption, RequiredOption, splitNames } from '../options.ts'
import type { SetupCommand } from './setup.ts'
import type { SetupOptions } from './setup-plan.ts'

interface Options extends SetupOptions, ClusterOption {
  issuer?: string
  format: SetupCommand['format']
  apply?: boolean
}

export const setupCommand = defineCommand<Options>({
  name: 'setup',
  summary: 'print, or run, what brings the events of vaults to a cluster',
  description:
    'Prints commands of the Azure CLI (or Bicep, or Terraform) that create a storage queue for the cluster, a system topic and an ' +
    'event subscription for each vault, and the identity of the operator; the last lines are values for the chart. ' +
    'With --namespace-topic the events go to the topic of an Event Grid namespace instead of a queue. ' +
    'Nothing is created without --apply, which runs the commands with the az that is signed in.',
  options(command) {
    command
      .addOption(new RequiredOption('--vault <name>', 'a vault; may be repeated').argParser(splitNames))
      .addOption(
        new RequiredOption(
          '--cluster <name>',
          'names the queue or event subscription keymount-NAME and the identity keymount-operator-NAME',
        ),
      )
      .addOption(new RequiredOption('--resource-group <name>', 'of the queue and the identity; it has to exist'))
      .option('--storage-account <name>', 'default: a name made from those of cluster and resource group')
      .option(
        '--namespace-topic <id>',
        'resource id of the topic of an Event Grid namespace that exists, in place of a storage queue',
      )
      .option('--namespace <name>', 'of the operator', 'kube-system')
      .option('--issuer <url>', 'of the cluster’s service account tokens (default: the cluster is asked)')
      .addOption(new Option('--format <format>', 'what to print').choices(['az', 'bicep', 'terraform']).default('az'))
      .option('--apply', 'run the commands of az instead of printing them')
      .option(
        '--probe',
        'also set a secret keymount-probe-NAME-TIME in the first vault, wait for its event, and delete the secret',
      )
    addCluster(command)
  },
  async run({ options, world }) {
    const { setup } = await import('./setup.ts')
    const { format, apply = false, issuer, kubeconfig, home } = options
    return setup({ options, format, apply, issuer, cluster: { kubeconfig, home }, world })
  },
})

import { Option } from 'commander'
import type { UpOptions } from '#lab/home'
import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, parsePort, TimeOption, wantsJson } from '../options.ts'

export const command = defineCommand<HomeOption & OutputOption & UpOptions & { example?: boolean; events?: boolean }>({
  name: 'up',
  group: 'lab',
  summary: 'start the lab, or a local Azure for your own cluster',
  description:
    'Starts a local Azure and a local cluster in the background, and installs Keymount in the cluster. With --kubeconfig, ' +
    'the cluster is yours (kind, k3s, AKS) and only the local Azure is started. Vaults, identities and cluster objects ' +
    'survive "down". If the lab is up already, the command restarts what has died.',
  options(command) {
    addHome(command)
      .optionsGroup('Ports:')
      .option('--port <port>', 'API server of the local cluster (default: 16443)', parsePort)
      .option('--azure-port <port>', 'HTTPS proxy of the local Azure (default: 18443)', parsePort)
      .option('--imds-port <port>', 'IMDS for machines outside of clusters (default: 18169)', parsePort)
      .addOption(
        new Option('--ports <which>', 'free: use free ports, and the same ones in later runs').choices([
          'fixed',
          'free',
        ]),
      )
      .optionsGroup('Times, as Go durations (30s, 2m):')
      .addOption(
        new TimeOption('--rotation-poll-interval <time>', 'how often mounted values are read again (default: 2m)'),
      )
      .addOption(new TimeOption('--sync-frequency <time>', 'how often the local node syncs each pod (default: 1m)'))
      .addOption(
        new Option(
          '--caching <which>',
          'off: every mount signs in and reads again, so that changes show at once (default: on)',
        ).choices(['on', 'off']),
      )
      .optionsGroup('Network:')
      .option('--offline', 'the local Azure refuses connections to hosts that it does not serve')
      .option('--no-offline', 'the local Azure forwards them (default)')
      .option('--pod-network', 'pods of local clusters get networks of their own, if this machine allows it')
      .option('--no-pod-network', "they share this machine's network (default)")
      .optionsGroup('Rights:')
      .option('--secret-sync', 'let Keymount write Kubernetes Secrets (secretObjects of a class), from now on')
      .option('--sync', 'also install the controller of SecretSyncs (Secrets without a pod), from now on')
      .optionsGroup('To begin with:')
      .option(
        '--example',
        'mount a first secret: a vault, an identity, and the class and pod of examples/workload-identity',
      )
      .option(
        '--events',
        'have changes in the vaults that there are reach the pods at once: a queue, subscriptions and the operator',
      )
      .optionsGroup('A real cluster:')
      .option('--kubeconfig <file>', 'use the cluster of this file')
      .option(
        '--listen <address>',
        'address of this machine that pods can reach (default: the one that routes to the nodes)',
      )
      .option('--image <reference>', 'image of Keymount (default: the one that "npm run image" builds)')
      .option('--kubelet-root <directory>', 'root directory of kubelet on the nodes (default: /var/lib/kubelet)')
      .addOption(new Option('--azure <which>', 'the local Azure, or the public cloud').choices(['local', 'real']))
      .optionsGroup('Output:')
    addOutput(command)
  },
  async run({ options: { home, output, json, example = false, events = false, ...options }, world }) {
    const { up } = await import('../lab/up.ts')
    return up({ home, options, example, events, json: wantsJson({ output, json }), world })
  },
})

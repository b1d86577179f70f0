import { defineCommand } from '../command.ts'
import { addHome, addOutput, type HomeOption, type OutputOption, wantsJson } from '../options.ts'

export const command = defineCommand<HomeOption & OutputOption & { deleteState?: boolean; force?: boolean }>({
  name: 'down',
  group: 'lab',
  summary: 'stop the lab; its state is kept',
  description:
    'Stops the pods, the local cluster and the local Azure, and removes every mount. From a cluster of your own it removes ' +
    'Keymount, but not the CustomResourceDefinitions, and so not your classes.',
  options(command) {
    addOutput(addHome(command))
      .option('--delete-state', 'also delete vaults, identities and cluster objects; does not ask')
      .option('--force', 'on a real cluster: even if pods have volumes mounted, which then hang when they are deleted')
  },
  async run({ options: { home, output, json, ...options }, world }) {
    const { down } = await import('../lab/down.ts')
    return down({ home, options, json: wantsJson({ output, json }), world })
  },
})

import { defineCommand } from '../command.ts'

export const command = defineCommand<{ keep?: boolean }>({
  name: 'demo',
  group: 'lab',
  summary: 'show the whole product at work, in a lab of its own',
  description:
    'A secret reaches a pod by workload identity, follows the vault, and fails with a clear error when the federated ' +
    'credential is wrong. Each step is checked; the lab is temporary and leaves nothing behind.',
  options(command) {
    command.option('--keep', 'leave the lab up at the end or after a failure, and print where it is')
  },
  async run({ options: { keep = false }, world }) {
    const { demo } = await import('../demo/demo.ts')
    return demo({ keep, world })
  },
})

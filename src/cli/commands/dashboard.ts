import { defineCommand } from '../command.ts'
import type { DashboardOptions } from '../dashboard/dashboard.ts'
import { addSignIn } from '../identity/sign-in-options.ts'
import { addCluster, parsePort } from '../options.ts'

export const command = defineCommand<DashboardOptions>({
  name: 'dashboard',
  group: 'cluster',
  summary: 'a page of every volume, object, class, Secret, node, problem and event, live',
  description:
    'Serves a web page on 127.0.0.1 until it is stopped, and prints its address. The page shows what you may list, and acts with ' +
    'your rights: it rotates a class, and runs the doctor. It has no value of a secret, neither of a volume nor of a Kubernetes Secret.',
  notes: (programName) =>
    `The same rows as text: ${programName} status volumes, and the other views. docs/dashboard.md has pictures.`,
  options(command) {
    command
      .option('-n, --namespace <namespace>', 'only this namespace (default: all)')
      .option('--port <port>', 'port of the page; 0 takes a free one', parsePort, 0)
      .option('--read-only', 'without buttons: nothing can be changed')
      .option('--azure', 'also read the metadata of the vaults: newest versions, and when they expire')
      .option('--json', 'print the address as JSON')
    addSignIn(addCluster(command))
  },
  async run({ options, world }) {
    const { dashboard } = await import('../dashboard/dashboard.ts')
    return dashboard(options, world)
  },
})

import { Option } from 'commander'
import type { CommandDefinition } from '../command.ts'
import { defineCommand } from '../command.ts'
import { addCluster } from '../options.ts'
import type { ViewName } from './rows.ts'
import type { ViewOptions } from './view-options.ts'

const summaries: Readonly<Record<ViewName, string>> = {
  volumes: 'every mounted class of every pod: version, checks, state',
  objects: 'every object of every vault: who has which version',
  classes: 'every SecretProviderClass: identity, pods, mistakes',
  secrets: 'the Kubernetes Secrets that classes and SecretSyncs make',
  nodes: 'driver and provider on every node',
  problems: 'what is wrong, since when, for which pods, and the command that fixes it',
  events: 'rotations, failures, restarts and changes, the latest first',
}

/** `keymount status volumes` and the others: the rows of the dashboard as text. */
export const viewCommands: readonly CommandDefinition[] = (Object.keys(summaries) as ViewName[]).map((name) =>
  defineCommand<ViewOptions>({
    name,
    summary: summaries[name],
    description: `Lists ${summaries[name]}. ${
      name === 'problems'
        ? 'Exit status: 0 nothing is wrong, 1 something is.'
        : 'Exit status: 0 if it could be read, whatever the states are; keymount status problems judges.'
    }`,
    notes:
      'A filter is words that all have to match: shop (anywhere), ns:shop (within a column), class=db (the whole of it), ' +
      'state:failing,stale (one of several), -node:n1 (not). Columns are those of -o wide.',
    options(command) {
      command
        .option('-n, --namespace <namespace>', 'only this namespace (default: all)')
        .option('--filter <words>', 'only rows that match')
        .option('--sort <column>', 'by this column; -COLUMN for the other direction')
        .addOption(
          new Option('-o, --output <format>', 'how to print')
            .choices(['table', 'wide', 'json', 'yaml'])
            .default('table'),
        )
        .option('-w, --watch', 'go on, and print again after every change')
      addCluster(command)
    },
    async run({ options, world }) {
      const { statusView } = await import('./status-view.ts')
      return statusView(name, options, world)
    },
  }),
)

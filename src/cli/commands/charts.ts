import { Option } from 'commander'
import { defineCommand } from '../command.ts'
import { parsePort } from '../options.ts'

const serve = defineCommand<{ port: number }>({
  name: 'serve',
  summary: 'serve them as a Helm repository on loopback, until interrupted',
  options(command) {
    command.addOption(new Option('--port <port>', '0 takes a free one').argParser(parsePort).default(18_888))
  },
  async run({ options: { port }, world }) {
    const { serveCharts } = await import('../charts/charts.ts')
    return serveCharts({ port, world })
  },
})

const packageCommand = defineCommand<{ destination: string }>({
  name: 'package',
  summary: 'write them as packages (.tgz)',
  options(command) {
    command.option('-d, --destination <directory>', 'directory of the packages', '.')
  },
  async run({ options: { destination }, world }) {
    const { writeCharts } = await import('../charts/charts.ts')
    return writeCharts({ destination, world })
  },
})

export const command = defineCommand({
  name: 'charts',
  group: 'cluster',
  summary: 'the Helm charts, also under the names of the upstream charts',
  description:
    'The Helm charts of this package: keymount, and the same under the names, values and selectors of the upstream ' +
    'charts, so that "helm upgrade" takes over a release of theirs (docs/migrate.md).',
  async subcommands() {
    const { pushCommand } = await import('../charts/push-command.ts')
    return [serve, packageCommand, pushCommand]
  },
})

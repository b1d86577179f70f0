import { defaultText, type FlagSpec, type FlagSpecs } from '#lib/flags'
import { daemonFlags } from '../daemon-flags.ts'
import { code, generatedFrom, markdownTable } from './table.ts'

type Daemon = keyof typeof daemonFlags

const intro = `# Flags

${generatedFrom('the flag tables of the programs')}

The flags of each daemon, as Go's \`flag\` package parses them: one or two dashes, \`--flag=value\` or \`--flag value\`; a boolean needs \`=\`.
The chart sets the important ones from its values ([configuration.md](configuration.md)); \`extraArgs\` sets any other.
`

const titles: Record<Daemon, string> = {
  driver: 'The CSI driver.',
  provider: 'The Azure Key Vault provider.',
  node: 'Driver and provider in one process.',
  controller: 'The webhook of workload identity.',
  proxy: 'The proxy sidecar of workload identity.',
  sync: 'The controller of SecretSyncs: Secrets without a pod.',
  operator: 'What acts on the whole cluster: restarts workloads when their secrets change.',
  notify: 'A sidecar that notifies the application of its pod when its secrets have changed.',
  'env-file': 'An init container that writes secrets as environment variables of its pod.',
  mic: 'The controller of pod identity.',
  nmi: 'The node endpoint of pod identity.',
  'install-check': 'The check of `helm test`: everything of a release works.',
  'uninstall-check': 'The check before the driver is uninstalled.',
}

/** The text of docs/flags.md. */
export function flagsPage(): string {
  const sections = (Object.keys(titles) as Daemon[]).map((daemon) =>
    daemon === 'node' ? nodeSection() : section(daemon, titles[daemon], daemonFlags[daemon]),
  )
  return [intro, ...sections].join('\n')
}

function section(daemon: string, title: string, flags: FlagSpecs): string {
  const rows = Object.entries(flags).flatMap(([name, spec]) => (spec.type === 'ignored' ? [] : [row(name, spec)]))
  const ignored = Object.entries(flags).filter(([, { type }]) => type === 'ignored')
  const without =
    ignored.length === 0
      ? ''
      : `\nAccepted without effect, because manifests of upstream set them: ${ignored.map(([name]) => code(`--${name}`)).join(', ')}.\n`
  return `## ${daemon}\n\n${title}\n\n${markdownTable(['flag', 'type', 'default', 'meaning'], rows)}\n${without}`
}

function row(name: string, spec: Exclude<FlagSpec, { type: 'ignored' }>): string[] {
  return [code(`--${name}`), typeText(spec), code(defaultText(spec)), spec.help]
}

function typeText(spec: Exclude<FlagSpec, { type: 'ignored' }>): string {
  switch (spec.type) {
    case 'choice':
      return spec.values.map((value) => code(value)).join(', ')
    case 'strings':
      return 'list, separated by commas'
    case 'address':
      return '`HOST:PORT` or `:PORT`'
    case 'endpoint':
      return '`unix://PATH` or `tcp://HOST:PORT`'
    case 'string':
      return spec.required === undefined ? 'string' : 'string, required'
    case 'ip':
      return 'IP address'
    case 'integer':
    case 'duration':
    case 'boolean':
    case 'port':
      return spec.type
    default:
      throw new Error(`unknown type ${JSON.stringify(spec satisfies never)}`)
  }
}

/** `node` has the flags of driver and provider; the table has those that neither has. */
function nodeSection(): string {
  const { driver, provider, node } = daemonFlags
  const own = Object.fromEntries(Object.entries(node).filter(([name]) => !(name in driver) && !(name in provider)))
  const intro = `${titles.node} It has the flags of [driver](#driver) and [provider](#provider), and a flag that both have applies to both, except
for addresses: \`--endpoint\`, \`--metrics-addr\` and \`--health-addr\` are the driver's; \`--healthz-port\` and these are the provider's:`
  return section('node', intro, own)
}

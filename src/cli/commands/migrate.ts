import { type Command, InvalidArgumentError, Option } from 'commander'
import { type CommandDefinition, defineCommand } from '../command.ts'
import {
  type ReportFormat,
  reportFormats,
  type SourceName,
  type Strategy,
  sourceNames,
  strategies,
} from '../migrate/migrate-options.ts'
import { addCluster, addOutput, type ClusterOption, type OutputOption, parseDirectory, wantsJson } from '../options.ts'

interface SourceOptions extends ClusterOption {
  from: SourceName | 'auto'
  cluster?: boolean
  namespace?: string
  strategy: Strategy
  suffix: string
  serviceAccount?: string
  clientId?: string
  tenantId?: string
  acceptPem?: boolean
  providerMap?: Map<string, string>
}

interface MigrateOptions extends SourceOptions {
  output?: string
  report: ReportFormat
}

interface CompareOptions extends ClusterOption, OutputOption {
  namespace?: string
}

export const command = defineCommand<MigrateOptions>({
  name: 'migrate',
  group: 'cluster',
  summary: 'write classes and SecretSyncs for what another tool reads from Key Vault',
  description:
    'Reads manifests, or a cluster, of the External Secrets Operator, akv2k8s, Azure’s Secret Store extension, GKE’s SecretSync, ' +
    'the App Configuration provider and the Secrets Store CSI driver, and writes manifests for Keymount and REPORT.md into a new ' +
    'directory. Values files of the Helm charts of driver, provider, workload identity webhook, External Secrets and akv2k8s become ' +
    'values of charts/keymount. Changes nothing in the cluster. What has no counterpart is a finding, and the object is left out. ' +
    'Exit status: 0 everything is converted, 1 something is left out, 2 something cannot be read.',
  notes: 'From the first run to the last old Secret, step by step: docs/migrate-secrets.md',
  options(command) {
    addSource(command)
      .addOption(
        new Option('-o, --output <directory>', 'directory that is written; it must not exist, or be empty').argParser(
          parseDirectory,
        ),
      )
      .addOption(new Option('--report <format>', 'format of the report').choices(reportFormats).default('text'))
    addCluster(command)
  },
  subcommands: async () => [check, compare],
  async run({ options, words, world }) {
    const { migrate } = await import('../migrate/migrate.ts')
    const { output, report } = options
    return migrate({ ...commonOf(options, words), output, report, world })
  },
})

interface CheckOptions extends SourceOptions, OutputOption {}

const check: CommandDefinition = defineCommand<CheckOptions>({
  name: 'check',
  summary: 'count what there is, what converts, and what has to change first',
  description: (programName) =>
    `What ${programName} migrate would do, without writing anything: objects of each kind, how many of them convert, and the reasons ` +
    'of the others. Exit status: 0 everything converts, 1 something does not, 2 something cannot be read.',
  options(command) {
    addSource(command)
    addCluster(addOutput(command))
  },
  async run({ options, words, world }) {
    const { checkMigration } = await import('../migrate/check-migration.ts')
    return checkMigration({ ...commonOf(options, words), json: wantsJson(options), world })
  },
})

const compare: CommandDefinition = defineCommand<CompareOptions>({
  name: 'compare',
  summary: 'compare old and new Secrets of the cluster, without showing them',
  description:
    'Compares Secrets key by key, by a hash that is made for this run: equal, different, or only in one of them. Values and their ' +
    'lengths are never printed. Reads with the rights of the caller. Exit status: 0 all are equal, 1 something differs, 2 a Secret ' +
    'cannot be read.',
  options(command) {
    command
      .argument('<what...>', 'the directory that keymount migrate wrote, or pairs OLD=NEW')
      .option(
        '-n, --namespace <namespace>',
        'of Secrets whose manifests name none (default: that of the kubeconfig’s context)',
      )
    addCluster(addOutput(command))
  },
  async run({ options, words, world }) {
    const { compareSecrets } = await import('../migrate/compare-secrets.ts')
    const { namespace, kubeconfig, home } = options
    const what = words.flat().filter((word) => word !== undefined)
    return compareSecrets({ what, namespace, json: wantsJson(options), cluster: { kubeconfig, home }, world })
  },
})

function addSource(command: Command): Command {
  return command
    .argument('[path...]', 'files, directories, or - for standard input')
    .option('--cluster', 'read the cluster instead of files')
    .addOption(
      new Option('--from <tool>', 'only objects of this tool').choices(['auto', ...sourceNames]).default('auto'),
    )
    .option(
      '-n, --namespace <namespace>',
      'with --cluster: only this namespace; with files: that of objects without one',
    )
    .addOption(
      new Option('--strategy <strategy>', 'Kubernetes Secrets as before, classes for volumes, or both')
        .choices(strategies)
        .default('secrets'),
    )
    .addOption(
      new Option('--suffix <text>', 'added to the names of classes and Secrets, so that both sides can exist at once')
        .argParser(parseSuffix)
        .default(''),
    )
    .option('--service-account <name>', 'account that reads, where the manifests name none of the namespace')
    .option('--client-id <id>', 'client id for the classes, where the account has no annotation', parseUuid)
    .option('--tenant-id <id>', 'tenant for the classes', parseUuid)
    .option('--accept-pem', 'certificates and keys may come as PEM where the old tool writes DER or JWK')
    .addOption(
      new Option('--provider-map <old=new>', 'change the provider of classes; may be repeated').argParser(parseMapping),
    )
}

function commonOf(options: SourceOptions, words: readonly (string | undefined)[]) {
  const { from, cluster = false, namespace, strategy, suffix, serviceAccount, clientId, tenantId } = options
  return {
    from,
    paths: words.flat().filter((word) => word !== undefined),
    fromCluster: cluster,
    namespace,
    strategy,
    suffix,
    serviceAccount,
    clientId,
    tenantId,
    acceptPem: options.acceptPem ?? false,
    providerMap: options.providerMap ?? new Map<string, string>(),
    cluster: { kubeconfig: options.kubeconfig, home: options.home },
  }
}

function parseSuffix(text: string): string {
  if (/^(?:[-.]?[a-z0-9]+)*$/.test(text) && text.length <= 40) return text
  throw new InvalidArgumentError('Expected lower case letters, digits, "-" and ".", such as -km.')
}

function parseUuid(text: string): string {
  if (/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) return text
  throw new InvalidArgumentError('Expected a UUID, such as 6b2c9d4e-0f3a-4c1b-9d8e-7a6f5e4d3c2b.')
}

function parseMapping(text: string, before: Map<string, string> = new Map()): Map<string, string> {
  const [, from, to] = /^([a-z0-9-]{1,63})=([a-z0-9-]{1,63})$/.exec(text) ?? []
  if (from === undefined || to === undefined) throw new InvalidArgumentError('Expected OLD=NEW, such as gke=gcp.')
  return new Map([...before, [from, to]])
}

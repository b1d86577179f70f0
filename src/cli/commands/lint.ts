import { InvalidArgumentError, Option } from 'commander'
import { defineCommand } from '../command.ts'
import type { LintFormat } from '../lint/lint-options.ts'

interface LintOptions {
  helm?: boolean
  kustomize?: boolean
  values?: string[]
  output: LintFormat
  strict?: boolean
  kubernetes: string
}

export const command = defineCommand<LintOptions>({
  name: 'lint',
  group: 'cluster',
  summary: 'find mistakes in manifests, without a cluster',
  description:
    'Checks SecretProviderClasses, and the pods, Secrets, service accounts and SecretSyncs that belong to them, in files of ' +
    'YAML or JSON. A directory is read with everything below it, and - is standard input. Exit status: 0 nothing wrong, ' +
    '1 an error (with --strict also a warning), 2 a file that cannot be read, or no manifest at all.',
  notes: 'All rules: docs/lint.md. A comment turns one off: # keymount-lint: ignore KL012 REASON',
  options(command) {
    command
      .argument('<path...>', 'files, directories, or - for standard input')
      .option('--helm', 'render charts with helm template')
      .option('--kustomize', 'render directories that have a kustomization with kubectl kustomize')
      .option('-f, --values <file>', 'values of the charts; may be repeated', append)
      .addOption(
        new Option('-o, --output <format>', 'format of the findings')
          .choices(['text', 'json', 'sarif', 'github'])
          .default('text'),
      )
      .option('--strict', 'warnings count as errors')
      .addOption(new Option('--kubernetes <version>', 'version of the cluster').argParser(checkVersion).default('1.34'))
  },
  async run({ options, words, world }) {
    const { lintCommand } = await import('../lint/lint-command.ts')
    const { helm = false, kustomize = false, values = [], output, strict = false, kubernetes } = options
    const [major = 1, minor = 0] = kubernetes.split('.').map(Number)
    const paths = words.flat().filter((path) => path !== undefined)
    return lintCommand({ paths, helm, kustomize, values, format: output, strict, kubernetes: { major, minor }, world })
  },
})

function append(value: string, before: string[] = []): string[] {
  return [...before, value]
}

function checkVersion(text: string): string {
  const [, version] = /^v?(\d{1,3}\.\d{1,3})(?:\.\d+)?$/.exec(text) ?? []
  if (version !== undefined) return version
  throw new InvalidArgumentError('Expected a version such as 1.34.')
}

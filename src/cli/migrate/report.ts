import type { Severity } from '#azure/lint'
import { commandLine, countOf } from '#terminal'
import { commentLines } from '../manifests/print-manifests.ts'
import { type Converted, type Outcome, rulesOf } from './convert.ts'
import type { SecretPair } from './draft.ts'
import { isReplacedChart } from './helm-values/upstream-values.ts'
import type { SourceCommand } from './migrate-options.ts'
import { sources } from './sources/index.ts'
import type { MigrateFinding } from './work.ts'

/** Numbers of objects by what became of them. */
export function countsOf(outcomes: readonly Outcome[]) {
  const count = (...results: Outcome['result'][]) => outcomes.filter(({ result }) => results.includes(result)).length
  return {
    objects: outcomes.length,
    converted: count('converted', 'changed'),
    unchanged: count('unchanged'),
    absorbed: count('absorbed'),
    leftOut: count('left out'),
  }
}

/** `12 converted, 3 unchanged, 1 left out of 18 objects` */
export function summaryOf(outcomes: readonly Outcome[]): string {
  const { objects, converted, unchanged, absorbed, leftOut } = countsOf(outcomes)
  const parts = [`${converted} converted`]
  if (unchanged > 0) parts.push(`${unchanged} unchanged`)
  if (absorbed > 0) parts.push(`${absorbed} merged into others`)
  return `${parts.join(', ')}, ${leftOut} left out of ${countOf(objects, 'object')}`
}

/** Rules of all sources, for SARIF and for the reference. */
export const allRules = Object.assign({}, ...sources.map(rulesOf)) as ReturnType<typeof rulesOf>

/** Pairs of Secrets in the order of the input. */
export function pairsOf({ files }: Converted): SecretPair[] {
  return files.flatMap(({ draft }) => draft.secrets)
}

/** What keymount migrate compare reads: kubectl does not take it for a manifest. */
export function pairsText(pairs: readonly SecretPair[]): string {
  return [['namespace', 'old', 'new'], ...pairs.map((one) => [one.namespace, one.old, one.new])]
    .map((cells) => `${cells.join('\t')}\n`)
    .join('')
}

/** REPORT.md of the output directory. It has names and reasons, never a value of the input. */
export function reportText(
  converted: Converted,
  command: Pick<SourceCommand, 'suffix' | 'strategy'>,
  directory: string,
): string {
  const { outcomes, findings } = converted
  const sections = [
    `# Migration to Keymount\n\n${summaryOf(outcomes)}. Written by \`keymount migrate\`; the findings are explained in docs/migrate-findings.md.\n`,
    nextSteps(converted, command, directory),
    leftOutSection(findings),
    convertedSection(outcomes),
    remarksSection(findings),
    volumesSection(converted),
    notesSection(outcomes),
  ]
  return sections.filter((text) => text !== '').join('\n')
}

function nextSteps(converted: Converted, { suffix }: Pick<SourceCommand, 'suffix'>, directory: string): string {
  if (converted.files.length === 0) return ''
  const values = converted.files.filter(({ draft }) => draft.extension !== undefined)
  const isOnlyValues = values.length === converted.files.length
  const replaced = values.filter(({ draft }) => isReplacedChart(draft.work.manifest))
  const commands = [
    ...replaced.map(({ path }) => checkCommand(`${directory}/${path}`)),
    ...(replaced.length === 0 ? [] : ['helm uninstall OLD -n kube-system']),
    ...values.map(({ path }) => helmCommand(`${directory}/${path}`)),
    ...(isOnlyValues ? [] : applyCommands(directory)),
    ...consentCommands(converted),
    ...(pairsOf(converted).length === 0 ? [] : [commandLine('keymount', 'migrate', 'compare', directory)]),
  ]
  const warning =
    suffix === '' && pairsOf(converted).some((one) => one.old === one.new)
      ? 'The new Secrets have the names of the old ones. In a cluster where the old tool runs, write with `--suffix -km` first: Keymount takes over no Secret that something else has made.\n\n'
      : ''
  const before = replaced.length === 0 ? '' : `${uninstallNote}\n\n`
  const after = isOnlyValues ? '' : `\n${afterwards}\n`
  return `## Next\n\n${before}${warning}${fenced('bash', commands.join('\n'))}${after}`
}

const uninstallNote =
  'Save the classes first, and check that uninstalling does not delete the CustomResourceDefinitions: docs/migrate.md, "From the upstream charts, under our own name". ' +
  '`OLD` is the release that has the old values, and each release of driver, provider or webhook is uninstalled: `helm install` refuses while another driver of the same name is there. ' +
  'Running pods keep their files. If Keymount is installed already, leave `helm uninstall` out.'

const afterwards = 'Then switch what refers to the old Secrets, and remove the old objects: docs/migrate-secrets.md.'

/** Prints nothing but what the chart refuses. */
function checkCommand(file: string): string {
  const words = ['template', 'keymount', 'charts/keymount', '-n', 'kube-system', '--kube-version', '1.34.0', '-f', file]
  return `${commandLine('helm', ...words)} > /dev/null`
}

function helmCommand(file: string): string {
  return commandLine('helm', 'upgrade', '--install', 'keymount', 'charts/keymount', '-n', 'kube-system', '-f', file)
}

function applyCommands(directory: string): string[] {
  return [commandLine('keymount', 'lint', directory), commandLine('kubectl', 'apply', '-R', '-f', directory)]
}

/** One for each account, with all classes that make Secrets with its identity. */
function consentCommands({ files }: Converted): string[] {
  const consents = files.flatMap(({ draft }) => draft.consent ?? [])
  const byAccount = Map.groupBy(consents, ({ namespace, account }) => `${namespace}/${account}`)
  return [...byAccount.values()].map((all) => {
    const [{ namespace = '', account = '' } = {}] = all
    const names = new Set([...all.flatMap(({ before }) => before), ...all.map(({ className }) => className)])
    const classes = names.has('*') ? '*' : [...names].join(',')
    const where = namespace === '' ? [] : ['-n', namespace]
    const annotation = `keymount.dev/sync-classes=${classes}`
    return commandLine('kubectl', 'annotate', 'serviceaccount', account, ...where, '--overwrite', annotation)
  })
}

function fenced(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\`\n`
}

function leftOutSection(findings: readonly MigrateFinding[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error')
  if (errors.length === 0) return ''
  return `## Left out\n\n${findingTable(errors)}`
}

function remarksSection(findings: readonly MigrateFinding[]): string {
  const others = findings.filter(({ severity }) => severity !== 'error')
  return others.length === 0 ? '' : `## Remarks\n\n${findingTable(others)}`
}

function findingTable(findings: readonly MigrateFinding[]): string {
  const rows = findings.map(({ id, file, line, object, message, right }) =>
    row([`${object.kind} ${qualified(object)}`, `${file}:${line}`, `${id}: ${message}`, right]),
  )
  return ['| object | where | found | expected |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function convertedSection(outcomes: readonly Outcome[]): string {
  const written = outcomes.filter(({ file }) => file !== undefined)
  if (written.length === 0) return ''
  const rows = written.map(({ manifest, result, file }) => {
    const secrets = file?.draft.secrets.map((one) => (one.old === one.new ? one.new : `${one.old} → ${one.new}`)) ?? []
    return row([`${manifest.kind} ${qualified(manifest)}`, result, file?.path ?? '', secrets.join(', ')])
  })
  return ['## Written', '', '| object | how | file | Secret |', '|---|---|---|---|', ...rows, ''].join('\n')
}

function volumesSection({ files }: Converted): string {
  const names = files.flatMap(({ draft }) => (draft.volume === undefined ? [] : [draft]))
  if (names.length === 0) return ''
  const parts = names.map(({ work, volume = '' }) => {
    const where = work.manifest.namespace === '' ? '' : ` (namespace ${work.manifest.namespace})`
    const yaml = [
      `${commentLines(`${work.manifest.kind} ${work.manifest.name}${where}`).trimEnd()}`,
      `- name: ${volume.replaceAll('.', '-').slice(0, 63)}`,
      '  csi:',
      '    driver: secrets-store.csi.k8s.io',
      '    readOnly: true',
      '    volumeAttributes:',
      `      secretProviderClass: ${volume}`,
    ]
    return yaml.join('\n')
  })
  return `## Volumes\n\nEach class as a volume of a pod (\`spec.volumes\`); the files have the names of the keys.\n\n${fenced('yaml', parts.join('\n'))}`
}

function notesSection(outcomes: readonly Outcome[]): string {
  const used = sources.filter((source) => outcomes.some((one) => one.source === source))
  if (used.length === 0) return ''
  const parts = used.map(({ title, notes }) => `### ${title}\n\n${notes.map((note) => `- ${note}`).join('\n')}\n`)
  return `## Good to know\n\n${parts.join('\n')}`
}

function qualified({ namespace, name }: { namespace: string; name: string }): string {
  return namespace === '' ? name : `${namespace}/${name}`
}

/** A row of a Markdown table: what the input names cannot end a cell, nor be markup. */
function row(cells: readonly string[]): string {
  const clean = cells.map((cell) =>
    cell
      .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
      .replaceAll('\\', '\\\\')
      .replaceAll(/[|<>`[\]*_]/g, (letter) => `\\${letter}`),
  )
  return `| ${clean.join(' | ')} |`
}

const order: Record<Severity, number> = { error: 0, warning: 1, info: 2 }

/** Findings by file and line, errors of one place first. */
export function sorted(findings: readonly MigrateFinding[]): MigrateFinding[] {
  return findings.toSorted((a, b) => {
    if (a.file !== b.file) return a.file < b.file ? -1 : 1
    return a.line - b.line || a.column - b.column || order[a.severity] - order[b.severity]
  })
}

import { CliError, type CliWorld, createTerminal, exitCodes, oneLine, type Terminal } from '#terminal'
import { sarifLog } from '../lint/sarif.ts'
import { refuseOccupied, writeDirectory } from '../manifests/write-directory.ts'
import { linksOnce, rulePages } from '../rule-page.ts'
import type { MigrateCommand } from './migrate-options.ts'
import { type ReadAndConverted, readAndConvert } from './read-and-convert.ts'
import { allRules, countsOf, pairsOf, pairsText, reportText, sorted, summaryOf } from './report.ts'
import type { MigrateFinding } from './work.ts'

/** `keymount migrate`: manifests of other tools become manifests of ours, in a new directory. */
export async function migrate(command: MigrateCommand): Promise<number> {
  const { output, report, world } = command
  if (output === undefined)
    throw new CliError({
      what: 'The directory to write is not named',
      fix: ['-o DIR: it must not exist yet', 'to see what there is, without writing: keymount migrate check'],
      code: 'usage',
    })
  refuseOccupied(output, '-o')
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const converted = await readAndConvert(command)
  if (converted.outcomes.length > 0) {
    const pairs = pairsOf(converted)
    writeDirectory(output, '-o', [
      ...converted.files,
      { path: 'REPORT.md', text: reportText(converted, command, output) },
      ...(pairs.length === 0 ? [] : [{ path: 'secrets.tsv', text: pairsText(pairs) }]),
    ])
  }
  print(converted, command, terminal)
  for (const problem of converted.problems) terminal.error(`not read: ${oneLine(problem)}`)
  if (report === 'text' && converted.files.length > 0)
    terminal.error(`written: ${output} (REPORT.md has what to do next)`)
  if (converted.outcomes.length === 0 && converted.problems.length === 0)
    terminal.error('found nothing to migrate: no object of a tool that --from names')
  return exitCodeOf(converted)
}

export function exitCodeOf({ problems, findings }: ReadAndConverted): number {
  if (problems.length > 0) return exitCodes.usage
  return findings.some(({ severity }) => severity === 'error') ? exitCodes.failed : exitCodes.ok
}

function print(converted: ReadAndConverted, { report, world }: MigrateCommand, terminal: Terminal): void {
  const findings = sorted(converted.findings)
  switch (report) {
    case 'text':
      printText(findings, terminal)
      terminal.line(summaryOf(converted.outcomes))
      break
    case 'json':
      terminal.line(JSON.stringify(asJson(converted), undefined, 2))
      break
    case 'sarif':
      terminal.line(JSON.stringify(asSarif(findings, converted, world), undefined, 2))
      break
    default:
      throw new Error(`unknown format ${JSON.stringify(report satisfies never)}`)
  }
}

export function printText(findings: readonly MigrateFinding[], { line, style }: Terminal): void {
  const colours = { error: style.bad, warning: style.strong, info: style.dim }
  const linkOf = linksOnce()
  for (const { file, line: at, column, severity, id, message, object, right } of findings) {
    const name = `${object.kind} ${object.namespace === '' ? '' : `${object.namespace}/`}${object.name}`
    line(oneLine(`${file}:${at}:${column}: `) + colours[severity](severity) + oneLine(` ${id}: ${name}: ${message}`))
    if (right !== '') line(`    ${style.dim('expected:')} ${oneLine(right)}`)
    const link = linkOf(id)
    if (link !== undefined) line(`    ${style.dim(`more:  ${link}`)}`)
  }
}

export function asJson({ outcomes, findings, problems }: ReadAndConverted) {
  const objects = outcomes.map(({ source, manifest, result, file }) => ({
    source: source.name,
    kind: manifest.kind,
    namespace: manifest.namespace,
    name: manifest.name,
    file: manifest.file,
    result,
    written: file?.path,
    secrets: file?.draft.secrets ?? [],
  }))
  return { version: 1, summary: countsOf(outcomes), objects, findings: sorted(findings), problems }
}

function asSarif(findings: readonly MigrateFinding[], { problems }: ReadAndConverted, { version }: CliWorld) {
  return sarifLog({ findings, unreadable: problems.length > 0 }, version, {
    name: 'keymount migrate',
    documentation: rulePages.migrate,
    rules: allRules,
    fingerprint: 'keymountMigrate/v1',
  })
}

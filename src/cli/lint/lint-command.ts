import { type LintFile, type LintFinding, type LintResult, lint } from '#azure/lint'
import { type CliWorld, countOf, createTerminal, exitCodes, oneLine, type Terminal } from '#terminal'
import { linksOnce } from '../rule-page.ts'
import { annotationChecks } from './annotation-checks.ts'
import { githubLines } from './github.ts'
import type { LintCommand, LintFormat } from './lint-options.ts'
import { manifestExtensions, readInput } from './read-input.ts'
import { sarifLog } from './sarif.ts'

/** `keymount lint`: mistakes in manifests, found without a cluster. */
export async function lintCommand(command: LintCommand): Promise<number> {
  const { format, kubernetes, world } = command
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  const { files, skippedCharts } = await readInput(command)
  const result = lint(files, { kubernetes, annotations: await annotationChecks(files) })
  print(result, format, terminal, world)
  if (skippedCharts.length > 0)
    terminal.error(
      `not checked: ${countOf(skippedCharts.length, 'chart')} (${oneLine(skippedCharts.slice(0, 3).join(', '))}); --helm renders them`,
    )
  if (result.objects === 0 && !result.unreadable) terminal.error(`nothing was checked: ${searched(command, files)}`)
  return exitCodeOf(result, command.strict)
}

/** Where no Kubernetes manifest was found. */
function searched({ paths }: LintCommand, files: readonly LintFile[]): string {
  const places = oneLine(paths.slice(0, 3).join(', '))
  return files.length === 0
    ? `no file that ends in ${manifestExtensions.join(', ')} in ${places}`
    : `no Kubernetes manifest (an object with apiVersion and kind) in ${countOf(files.length, 'file')} of ${places}`
}

/** A check of nothing is not green: the path of a pipeline is wrong. */
function exitCodeOf({ findings, objects, unreadable }: LintResult, strict: boolean): number {
  if (unreadable || objects === 0) return exitCodes.usage
  const fails = findings.some(({ severity }) => severity === 'error' || (strict && severity === 'warning'))
  return fails ? exitCodes.failed : exitCodes.ok
}

function print(result: LintResult, format: LintFormat, terminal: Terminal, { version }: CliWorld): void {
  switch (format) {
    case 'text':
      printText(result, terminal)
      break
    case 'json':
      terminal.line(JSON.stringify(asJson(result), undefined, 2))
      break
    case 'sarif':
      terminal.line(JSON.stringify(sarifLog(result, version), undefined, 2))
      break
    case 'github':
      for (const line of githubLines(result.findings)) terminal.line(line)
      break
    default:
      throw new Error(`unknown format ${JSON.stringify(format satisfies never)}`)
  }
}

function printText({ findings, objects }: LintResult, { line, style }: Terminal): void {
  const colours = { error: style.bad, warning: style.strong, info: style.dim }
  const linkOf = linksOnce()
  for (const { file, line: at, column, severity, id, message, right } of findings) {
    line(`${oneLine(file)}:${at}:${column}: ${colours[severity](severity)} ${id}: ${oneLine(message)}`)
    if (right !== '') line(`    ${style.dim('expected:')} ${oneLine(right)}`)
    const link = linkOf(id)
    if (link !== undefined) line(`    ${style.dim(`more:  ${link}`)}`)
  }
  const { errors, warnings, infos } = countsOf(findings)
  const counts = [countOf(errors, 'error'), countOf(warnings, 'warning'), countOf(infos, 'remark')]
  line(`${counts.join(', ')} in ${countOf(objects, 'object')}`)
}

function asJson({ findings, objects, unreadable }: LintResult) {
  return { version: 1, summary: { objects, unreadable, ...countsOf(findings) }, findings }
}

function countsOf(findings: readonly LintFinding[]) {
  const count = (wanted: LintFinding['severity']) => findings.filter(({ severity }) => severity === wanted).length
  return { errors: count('error'), warnings: count('warning'), infos: count('info') }
}

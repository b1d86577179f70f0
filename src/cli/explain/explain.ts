import { lintRules, notices } from '#azure/lint'
import { nearestName } from '#lib'
import { type AnyCode, codesIn, explanations, isCode, reporterOf } from '#product/error-catalogue'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'
import { allRules } from '../migrate/report.ts'
import { ruleLink } from '../rule-page.ts'

export interface ExplainCommand {
  /** A code, or a text with codes in square brackets. Default: all codes. */
  code: string | undefined
  json: boolean
  world: CliWorld
}

/** `keymount explain`: what an error code means and how to fix it, from the table that provider, driver and doctor report by. */
export async function explain({ code, json, world }: ExplainCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  if (code === undefined) {
    const all = Object.keys(explanations).toSorted() as AnyCode[]
    if (json) terminal.line(JSON.stringify(all.map(described), null, 2))
    else printList(all, terminal)
    return exitCodes.ok
  }
  const rule = namedRule(code)
  if (rule !== undefined) {
    if (json) terminal.line(JSON.stringify(rule, null, 2))
    else printRule(rule, terminal)
    return exitCodes.ok
  }
  const codes = namedCodes(code)
  if (json) terminal.line(JSON.stringify(codes.length === 1 ? codes.map(described)[0] : codes.map(described), null, 2))
  else for (const [index, one] of codes.entries()) printOne(one, index === 0 ? '' : '\n', terminal)
  return exitCodes.ok
}

/** Throws {@link CliError} for a text without a code that exists. */
function namedCodes(text: string): AnyCode[] {
  const bare = text.trim().toLowerCase()
  if (isCode(bare)) return [bare]
  const codes = codesIn(text)
  if (codes.length > 0) return codes
  const [, word = bare] = /\[([a-z-]+)\]/.exec(text) ?? []
  const near = nearestName(word, Object.keys(explanations))
  throw new CliError({
    what: `There is no error code ${JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)}`,
    fix: [...(near === undefined ? [] : [`did you mean ${near}?`]), 'list all codes: keymount explain'],
    code: 'usage',
  })
}

interface Rule {
  title: string
  severity: string
  why: string
  right: string
}

/** A rule of `keymount lint` or `keymount migrate`, which has a page of its own. */
function namedRule(text: string) {
  const id = text
    .trim()
    .replace(/^\[(.*)\]$/, '$1')
    .toUpperCase()
  if (!/^K[LM]\d+$/.test(id)) return undefined
  const rules: Readonly<Record<string, Rule>> = {
    ...lintRules,
    ...notices,
    ...allRules,
  }
  const rule = Object.hasOwn(rules, id) ? rules[id] : undefined
  const command = id.startsWith('KM') ? 'keymount migrate' : 'keymount lint'
  if (rule === undefined) {
    throw new CliError({
      what: `${command} has no rule ${id.slice(0, 20)}`,
      fix: [`all rules: ${ruleLink(id).replace(/#.*/, '')}`],
      code: 'usage',
    })
  }
  const { title, severity, why, right } = rule
  return { rule: id, reportedBy: command, severity, title, why: plain(why), right: plain(right), page: ruleLink(id) }
}

function printRule(
  { rule, reportedBy, severity, title, why, right, page }: NonNullable<ReturnType<typeof namedRule>>,
  { line, style, width, wrap }: Terminal,
): void {
  line(`${style.strong(rule)} ${title} ${style.dim(`(${severity}, reported by ${reportedBy})`)}`)
  for (const text of wrap(why, width - 2)) line(`  ${text}`)
  line('\nExpected:')
  for (const text of wrap(right, width - 2)) line(`  ${text}`)
  line(`\nMore: ${page}`)
}

function described(code: AnyCode) {
  const { meaning, fix } = explanations[code]
  const { program, grpc } = reporterOf(code)
  return { code, reportedBy: program, grpc, meaning: plain(meaning), fix: plain(fix) }
}

function printList(codes: readonly AnyCode[], { line, style, width, wrap }: Terminal): void {
  for (const code of codes) {
    line(style.strong(code))
    for (const text of wrap(plain(explanations[code].meaning), width - 2)) line(`  ${text}`)
  }
  line('\nkeymount explain CODE prints how to fix it.')
}

function printOne(code: AnyCode, before: string, { line, style, width, wrap }: Terminal): void {
  const entry = explanations[code]
  const { program, grpc } = reporterOf(code)
  const status = grpc === undefined ? '' : `, gRPC ${grpc}`
  line(`${before}${style.strong(code)} ${style.dim(`(reported by the ${program}${status})`)}`)
  for (const text of wrap(plain(entry.meaning), width - 2)) line(`  ${text}`)
  line('\nFix:')
  for (const { isCommand, text } of partsOf(entry.fix)) {
    if (isCommand) line(`    ${style.command(text)}`)
    else for (const each of wrap(text, width - 2)) line(`  ${each}`)
  }
  const azure = isOfIdentity(code) ? ' --azure' : ''
  line('\nFollow the data path of a pod, and print the command that fixes it:')
  line(`    ${style.command(`keymount doctor pod/POD -n NAMESPACE${azure}`)}`)
}

function isOfIdentity(code: AnyCode): boolean {
  return code.startsWith('entra-') || code.startsWith('vault-')
}

/** A text of the catalogue without its Markdown. */
function plain(text: string): string {
  return text.replaceAll('`', '')
}

/** Whole commands are on lines of their own, which are not wrapped, so that they can be pasted. */
function partsOf(fix: string): { isCommand: boolean; text: string }[] {
  const parts: { isCommand: boolean; text: string }[] = []
  for (const [index, text] of fix.split('`').entries()) {
    const isCommand = index % 2 === 1 && /^(az|kubectl|keymount) /.test(text)
    const last = parts.at(-1)
    if (isCommand || last === undefined || last.isCommand) parts.push({ isCommand, text })
    else last.text += text
  }
  // What followed a command in the sentence begins a line.
  const trimmed = parts.map(({ isCommand, text }) => ({
    isCommand,
    text: isCommand ? text : text.replace(/^[,;.:](?: |$)/, '').trim(),
  }))
  return trimmed.filter(({ text }) => text !== '')
}

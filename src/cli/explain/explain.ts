import { nearestName } from '#lib'
import { wrapText } from '#lib/formats'
import { type CatalogueEntry, driverErrors, type ErrorCode, errorCatalogue } from '#product/error-catalogue'
import { CliError, type CliWorld, createTerminal, exitCodes, type Terminal } from '#terminal'

export interface ExplainCommand {
  /** A code, or a text with codes in square brackets. Default: all codes. */
  code: string | undefined
  json: boolean
  world: CliWorld
}

/** `keymount explain`: what an error code means and how to fix it, from the table that provider and driver report by. */
export async function explain({ code, json, world }: ExplainCommand): Promise<number> {
  const terminal = createTerminal({ ...world, stepsTo: 'stdout' })
  if (code === undefined) {
    const all = Object.keys(errorCatalogue).toSorted() as ErrorCode[]
    if (json) terminal.line(JSON.stringify(all.map(described), null, 2))
    else printList(all, terminal)
    return exitCodes.ok
  }
  const codes = codesIn(code)
  if (json) terminal.line(JSON.stringify(codes.length === 1 ? codes.map(described)[0] : codes.map(described), null, 2))
  else for (const [index, one] of codes.entries()) printOne(one, index === 0 ? '' : '\n', terminal)
  return exitCodes.ok
}

function isCode(text: string): text is ErrorCode {
  return Object.hasOwn(errorCatalogue, text)
}

/** Throws {@link CliError} for a text without a code that exists. */
function codesIn(text: string): ErrorCode[] {
  const bare = text.trim().toLowerCase()
  if (isCode(bare)) return [bare]
  const words = [...text.matchAll(/\[([a-z]+(?:-[a-z]+)*)\]/g)].map(([, word = '']) => word)
  const codes = [...new Set(words.filter(isCode))]
  if (codes.length > 0) return codes
  const near = nearestName(words[0] ?? bare, Object.keys(errorCatalogue))
  throw new CliError({
    what: `There is no error code ${JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)}`,
    fix: [...(near === undefined ? [] : [`did you mean ${near}?`]), 'list all codes: keymount explain'],
    code: 'usage',
  })
}

function described(code: ErrorCode) {
  const { grpc, meaning, fix } = errorCatalogue[code]
  return { code, reportedBy: reporterOf(code), grpc, meaning: plain(meaning), fix: plain(fix) }
}

function reporterOf(code: ErrorCode): 'driver' | 'provider' {
  return Object.hasOwn(driverErrors, code) ? 'driver' : 'provider'
}

function printList(codes: readonly ErrorCode[], { line, style, width }: Terminal): void {
  for (const code of codes) {
    line(style.strong(code))
    for (const text of wrapText(plain(errorCatalogue[code].meaning), width - 2)) line(`  ${text}`)
  }
  line('\nkeymount explain CODE prints how to fix it.')
}

function printOne(code: ErrorCode, before: string, { line, style, width }: Terminal): void {
  const entry: CatalogueEntry = errorCatalogue[code]
  line(`${before}${style.strong(code)} ${style.dim(`(reported by the ${reporterOf(code)}, gRPC ${entry.grpc})`)}`)
  for (const text of wrapText(plain(entry.meaning), width - 2)) line(`  ${text}`)
  line('\nFix:')
  for (const { isCommand, text } of partsOf(entry.fix)) {
    if (isCommand) line(`    ${style.command(text)}`)
    else for (const each of wrapText(text, width - 2)) line(`  ${each}`)
  }
  if (isOfIdentity(code)) {
    line('\nCompare the cluster with Azure, and print the command that fixes it:')
    line(`    ${style.command('keymount identity doctor POD --namespace NAMESPACE')}`)
  }
}

function isOfIdentity(code: ErrorCode): boolean {
  return code.startsWith('entra-') || code === 'vault-forbidden' || code === 'vault-unauthorized'
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

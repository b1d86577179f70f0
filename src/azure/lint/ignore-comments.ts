import { isRuleId } from './rules/index.ts'

/** A comment that turns rules off, and where. */
export interface IgnoreComment {
  /** Of the comment. */
  line: number
  rules: readonly string[]
  /** Lines that it is about, both included. */
  from: number
  to: number
}

export interface IgnoreProblem {
  line: number
  message: string
}

export interface IgnoreComments {
  comments: readonly IgnoreComment[]
  problems: readonly IgnoreProblem[]
}

const marker = 'keymount-lint:'

/**
 * `# keymount-lint: ignore KL012 reason` turns a rule off: at the end of a line for this line, on a line of its own for the
 * next line and what is nested below it, and before the first line of a document for the document.
 */
export function ignoreComments(text: string): IgnoreComments {
  const comments: IgnoreComment[] = []
  const problems: IgnoreProblem[] = []
  if (!text.includes('keymount-lint')) return { comments, problems }
  const lines = text.split(/\r?\n/)
  for (const [index, line] of lines.entries()) {
    const at = line.indexOf(marker)
    if (at < 0 || !line.slice(0, at).trimEnd().endsWith('#')) continue
    const parsed = parseWords(line.slice(at + marker.length))
    if ('problem' in parsed) problems.push({ line: index + 1, message: parsed.problem })
    comments.push({ line: index + 1, rules: parsed.rules, ...reach(lines, index) })
  }
  return { comments, problems }
}

function parseWords(words: string): { rules: string[] } | { rules: string[]; problem: string } {
  const [verb = '', ...rest] = words.trim().split(/[\s,]+/)
  if (verb !== 'ignore') return { rules: [], problem: `found "${verb.slice(0, 40)}", expected "ignore"` }
  const end = rest.findIndex((word) => !/^KL\d+$/.test(word))
  const ids = end < 0 ? rest : rest.slice(0, end)
  const rules = ids.filter(isRuleId)
  const unknown = ids.find((id) => !isRuleId(id))
  if (ids.length === 0) return { rules, problem: 'names no rule' }
  if (unknown !== undefined) return { rules, problem: `there is no rule ${unknown}` }
  if (end < 0) return { rules, problem: `gives no reason for ignoring ${ids.join(', ')}` }
  return { rules }
}

function reach(lines: readonly string[], index: number): { from: number; to: number } {
  const own = lines[index] ?? ''
  if (!/^\s*#/.test(own)) return { from: index + 1, to: index + 1 }
  if (beginsDocument(lines, index)) return { from: index + 1, to: documentEnd(lines, index) }
  let next = index + 1
  while (next < lines.length && /^\s*(#.*)?$/.test(lines[next] ?? '')) next++
  const indent = indentOf(lines[next] ?? '')
  let last = next
  for (let line = next + 1; line < lines.length; line++) {
    const text = lines[line] ?? ''
    if (text.trim() === '') continue
    if (indentOf(text) <= indent || /^(---|\.\.\.)/.test(text)) break
    last = line
  }
  return { from: next + 1, to: last + 1 }
}

/** The width before the text; an entry of a list is deeper than its dash. */
function indentOf(line: string): number {
  return /^\s*/.exec(line)?.[0].length ?? 0
}

/** Whether there are only comments between the beginning of the document and this line. */
function beginsDocument(lines: readonly string[], index: number): boolean {
  for (let line = index - 1; line >= 0; line--) {
    const text = lines[line] ?? ''
    if (/^---/.test(text)) return true
    if (!/^\s*(#.*)?$/.test(text)) return false
  }
  return true
}

function documentEnd(lines: readonly string[], index: number): number {
  let hasContent = false
  for (let line = index + 1; line < lines.length; line++) {
    const text = lines[line] ?? ''
    if (/^---/.test(text) && hasContent) return line
    hasContent ||= !/^(\s*#.*|\s*|---\s*)$/.test(text)
  }
  return lines.length
}

import { isRuleId } from './rules/index.ts'

/** A comment that turns rules off, and where: with a reason, otherwise it turns off none. */
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
  const documents = documentsOf(lines)
  let found: Shape | undefined
  const shape = () => {
    found ??= shapeOf(lines, documents)
    return found
  }
  for (const [index, line] of lines.entries()) {
    const at = line.indexOf(marker)
    if (at < 0 || !line.slice(0, at).trimEnd().endsWith('#')) continue
    if (comments.length === maxComments) {
      problems.push({ line: index + 1, message: `is beyond the ${maxComments} that a file may have, and ignored` })
      break
    }
    const parsed = parseWords(line.slice(at + marker.length))
    if ('problem' in parsed) problems.push({ line: index + 1, message: parsed.problem })
    comments.push({ line: index + 1, rules: parsed.rules, ...reach(lines, index, { documents, shape }) })
  }
  return { comments, problems }
}

const maxComments = 500

/** Indexes of a document's lines. */
interface DocumentLines {
  /** The first that is neither empty nor a comment. */
  content: number
  last: number
}

function documentsOf(lines: readonly string[]): DocumentLines[] {
  const documents: DocumentLines[] = []
  let current: DocumentLines | undefined
  for (const [index, line] of lines.entries()) {
    if (/^---/.test(line) && current !== undefined) current = undefined
    if (/^(\s*#.*|\s*|---\s*)$/.test(line)) {
      if (current !== undefined) current.last = index
      continue
    }
    if (current === undefined) {
      current = { content: index, last: index }
      documents.push(current)
    } else current.last = index
  }
  return documents
}

function parseWords(words: string): { rules: string[] } | { rules: string[]; problem: string } {
  const [verb = '', ...rest] = words.trim().split(/[\s,]+/)
  if (verb !== 'ignore') return { rules: [], problem: `has "${verb.slice(0, 40)}", expected "ignore"` }
  const end = rest.findIndex((word) => !/^KL\d+$/.test(word))
  const ids = end < 0 ? rest : rest.slice(0, end)
  const reason = rest.slice(ids.length).join(' ')
  if (ids.length === 0) return { rules: [], problem: 'names no rule' }
  if (!/[\p{L}\d]/u.test(reason))
    return { rules: [], problem: `gives no reason for ignoring ${ids.join(', ')}, so it has no effect` }
  const rules = ids.filter(isRuleId)
  const unknown = ids.find((id) => !isRuleId(id))
  if (unknown !== undefined) return { rules, problem: `names ${unknown}, which is not a rule` }
  return { rules }
}

function reach(
  lines: readonly string[],
  index: number,
  { documents, shape }: { documents: readonly DocumentLines[]; shape: () => Shape },
): { from: number; to: number } {
  if (!/^\s*#/.test(lines[index] ?? '')) return { from: index + 1, to: index + 1 }
  const document = documents.find(({ last }) => last >= index)
  if (document === undefined) return { from: index + 1, to: index + 1 }
  if (document.content > index) return { from: index + 1, to: document.last + 1 }
  const { content, ends } = shape()
  const next = content[index + 1] ?? lines.length
  return { from: next + 1, to: (ends[next] ?? next) + 1 }
}

interface Shape {
  /** For each line, itself or the first one after it that is neither empty nor a comment. */
  content: Int32Array
  /** For each of these, the last of the lines that are nested below it. */
  ends: Int32Array
}

/** In time linear in the number of lines, however many comments ask for it. */
function shapeOf(lines: readonly string[], documents: readonly DocumentLines[]): Shape {
  const content = new Int32Array(lines.length)
  for (let line = lines.length - 1; line >= 0; line--) {
    const isContent = !/^\s*(#.*)?$/.test(lines[line] ?? '')
    content[line] = isContent ? line : (content[line + 1] ?? lines.length)
  }
  const ends = new Int32Array(lines.length)
  for (const { content: first, last } of documents) {
    const open: { line: number; indent: number }[] = []
    let before = first
    const close = (indent: number) => {
      while ((open.at(-1)?.indent ?? -1) >= indent) ends[open.pop()?.line ?? 0] = before
    }
    for (let line = first; line <= last; line++) {
      const text = lines[line] ?? ''
      if (text.trim() === '') continue
      const indent = indentOf(text)
      close(indent)
      open.push({ line, indent })
      before = line
    }
    close(0)
  }
  return { content, ends }
}

/** The width before the text; an entry of a list is deeper than its dash. */
function indentOf(line: string): number {
  return /^\s*/.exec(line)?.[0].length ?? 0
}

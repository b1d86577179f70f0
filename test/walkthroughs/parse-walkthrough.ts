/**
 * Walk-throughs are Markdown: the fenced blocks are commands and their expected output, the prose between them has the reasons.
 * README.md of this folder defines the first line of a block.
 */
export interface Walkthrough {
  title: string
  steps: Step[]
}

/** `written`: by the author of the walk-through; `instead`: what to type today; `prepare` and `check`: by this test. */
export type Role = 'written' | 'instead' | 'prepare' | 'check'

export interface Step {
  role: Role
  /** Heading above it. */
  section: string
  /** Line of its block, for messages. */
  line: number
  /** What is typed, or the content of {@link file}. */
  text: string
  /** The text is saved under this name instead of being typed. */
  file?: string
  /** The exit status that it must end with; 0 unless a tool refuses it. */
  status: number
  /** Lines that standard output has to contain; for a refused command, standard error. */
  prints: string[]
  /** Seconds to try a check again. 0: once. */
  within: number
  /** It needs pods with networks of their own, and is left out on a cluster without them. */
  needsPodNetwork: boolean
}

/** Reads one walk-through. `<name>` in commands is replaced by its value in the block `placeholders`. */
export function parseWalkthrough(markdown: string): Walkthrough {
  const placeholders = new Map<string, string>()
  const steps: Step[] = []
  let title = ''
  let section = ''
  for (const piece of piecesOf(markdown)) {
    if (piece.kind === 'heading') {
      if (piece.level === 1) title = piece.text
      section = piece.text
      continue
    }
    const [, word = ''] = piece.info.split(' ')
    if (piece.info === 'placeholders') {
      for (const [name, value] of piece.lines.map(parsePlaceholder)) placeholders.set(name, value)
    } else if (piece.info === 'prints') {
      const last = steps.at(-1)
      if (last === undefined) throw new Error(`line ${piece.line}: "prints" without a command before it`)
      last.prints = piece.lines.map((line) => fill(line, placeholders))
    } else if (isRole(word)) {
      steps.push({ ...parseStep(piece, word), section, text: fill(piece.lines.join('\n'), placeholders) })
    } else {
      throw new Error(`line ${piece.line}: found "${piece.info}", expected placeholders, prints, or LANGUAGE ROLE …`)
    }
  }
  return { title, steps }
}

type Piece =
  | { kind: 'heading'; level: number; text: string }
  | { kind: 'block'; info: string; lines: string[]; line: number }

function* piecesOf(markdown: string): Generator<Piece> {
  let block: { kind: 'block'; info: string; lines: string[]; line: number } | undefined
  for (const [index, text] of markdown.split('\n').entries()) {
    const heading = /^(#+) (.*)$/.exec(text)
    if (text.startsWith('```')) {
      if (block !== undefined) yield block
      block = block === undefined ? { kind: 'block', info: text.slice(3), lines: [], line: index + 1 } : undefined
    } else if (block !== undefined) {
      block.lines.push(text)
    } else if (heading !== null) {
      yield { kind: 'heading', level: heading[1]?.length ?? 1, text: heading[2] ?? '' }
    }
  }
  if (block !== undefined) throw new Error(`line ${block.line}: the block has no end`)
}

const roles: readonly string[] = ['written', 'instead', 'prepare', 'check'] satisfies Role[]

function isRole(word: string): word is Role {
  return roles.includes(word)
}

/** `sh written refused=2`, `yaml instead file=pod.yaml`, `sh check within=60`, `sh written needs=pod-network`. */
function parseStep({ info, line }: { info: string; line: number }, role: Role) {
  const options = new Map<string, string>()
  for (const [, name = '', value = ''] of info.matchAll(/(\w+)=(\S+)/g)) {
    options.set(name, value)
  }
  for (const name of options.keys()) {
    if (!['refused', 'file', 'within', 'needs'].includes(name)) throw new Error(`line ${line}: unknown option ${name}`)
  }
  const file = options.get('file')
  const needs = options.get('needs')
  if (needs !== undefined && needs !== 'pod-network')
    throw new Error(`line ${line}: found needs=${needs}, expected needs=pod-network`)
  return {
    role,
    line,
    status: Number(options.get('refused') ?? 0),
    within: Number(options.get('within') ?? 0),
    prints: [],
    needsPodNetwork: needs === 'pod-network',
    ...(file === undefined ? {} : { file }),
  }
}

function parsePlaceholder(line: string): [name: string, value: string] {
  const at = line.indexOf(' = ')
  if (at === -1) throw new Error(`found "${line}", expected "<name> = value"`)
  return [line.slice(0, at), line.slice(at + 3)]
}

function fill(text: string, placeholders: ReadonlyMap<string, string>): string {
  return [...placeholders].reduce((filled, [name, value]) => filled.replaceAll(name, value), text)
}

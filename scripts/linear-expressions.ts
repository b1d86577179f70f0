import { type AST, RegExpParser, visitRegExpAST } from '@eslint-community/regexpp'
import { JS, NFA } from 'refa'
import { analyse, type Report } from 'scslre'

const parser = new RegExpParser()

/** Why the time of an expression, written as a literal, can grow faster than the text it is applied to; empty if it cannot. */
export function reasonsAgainst(expression: string): string[] {
  const literal = parser.parseLiteral(expression)
  const { reports } = analyse(literal, { reportTypes: { Move: true, Self: true, Trade: true } })
  const moved = reports.length > 0 ? [] : [...startsInside(literal), ...ambiguousRepetitions(literal)]
  // What an expression with a back reference costs cannot be computed.
  let hasBackreference = false
  visitRegExpAST(literal, {
    onBackreferenceEnter() {
      hasBackreference = true
    },
  })
  return [
    ...reports.map(reasonOf),
    ...moved,
    ...(hasBackreference ? ['a back reference: compare in code instead'] : []),
  ]
}

function reasonOf(report: Report): string {
  const grows = report.exponential ? 'exponential' : 'polynomial'
  switch (report.type) {
    case 'Move':
      return `${grows}: ${report.quant.raw} is tried again from each character that it can match. Anchor it, make it sticky, or search in code`
    case 'Self':
      return `${grows}: ${report.quant.raw} can match one text in several ways. Make its alternatives exclude each other`
    case 'Trade':
      return `${grows}: ${report.startQuant.raw} and ${report.endQuant.raw} can match the same characters. Make them exclude each other`
    default:
      throw new Error(`unknown report ${JSON.stringify(report satisfies never)}`)
  }
}

/**
 * Repetitions without a limit that can run over further starts of the expression, as `BEGIN.*END` does over `BEGIN BEGIN BEGIN`:
 * where the end is missing, each start is searched to the end of the text. (scslre finds only those with a short start.)
 */
function startsInside({ pattern, flags }: AST.RegExpLiteral): string[] {
  if (flags.sticky) return []
  const found: string[] = []
  for (const alternative of pattern.alternatives) walk(alternative, '', '')
  return found

  function walk({ elements }: AST.Alternative, before: string, after: string): void {
    for (const [index, element] of elements.entries()) {
      const prefix = before + rawOf(elements.slice(0, index))
      const suffix = rawOf(elements.slice(index + 1)) + after
      if (element.type === 'Quantifier' && element.max === Number.POSITIVE_INFINITY) check(element, prefix, suffix)
      const inner = element.type === 'Quantifier' ? element.element : element
      if (inner.type === 'Group' || inner.type === 'CapturingGroup') {
        for (const alternative of inner.alternatives) walk(alternative, prefix, suffix)
      }
    }
  }

  function check(quantifier: AST.Quantifier, prefix: string, suffix: string): void {
    if (prefix === '' || isAnchored(prefix) || cannotFail(suffix)) return
    const starts = nfaOf(prefix, flags.raw)
    const repeated = nfaOf(`(?:${quantifier.element.raw})*`, flags.raw)
    if (NFA.fromIntersection(starts, repeated).isEmpty) return
    found.push(
      `polynomial: ${quantifier.raw} can match what comes before it, ${prefix}. Anchor the expression, or search in code`,
    )
  }

  /** Matches at one place of the text only. */
  function isAnchored(prefix: string): boolean {
    return prefix.startsWith('^') && !flags.multiline
  }
}

/** Repetitions that can divide one text in several ways, as `(a|a)*` and `(a|aa)*` do. (scslre finds those with nested quantifiers.) */
function ambiguousRepetitions({ pattern, flags }: AST.RegExpLiteral): string[] {
  const found: string[] = []
  visitRegExpAST(pattern, {
    onQuantifierEnter({ element, max, raw }) {
      if (max !== Number.POSITIVE_INFINITY || (element.type !== 'Group' && element.type !== 'CapturingGroup')) return
      const once = nfaOf(element.raw, flags.raw)
      const again = nfaOf(`(?:${element.raw}){2,}`, flags.raw)
      const alternatives = element.alternatives.map((one) => nfaOf(one.raw === '' ? '(?:)' : one.raw, flags.raw))
      const overlap = alternatives.some((one, i) =>
        alternatives.slice(i + 1).some((other) => !NFA.fromIntersection(one, other).isEmpty),
      )
      if (!overlap && NFA.fromIntersection(once, again).isEmpty) return
      found.push(`exponential: ${raw} can match one text in several ways. Make its alternatives exclude each other`)
    },
  })
  return found
}

function rawOf(elements: readonly AST.Element[]): string {
  return elements.map(({ raw }) => raw).join('')
}

/** Whether what follows matches any text, so that the first match is the last try. */
function cannotFail(suffix: string): boolean {
  return /^(?:\(\?:|\(|\))*$/.test(suffix)
}

function nfaOf(source: string, flags: string): NFA {
  const parser = JS.Parser.fromLiteral({ source, flags })
  const { expression, maxCharacter } = parser.parse({ assertions: 'ignore', backreferences: 'disable' })
  return NFA.fromRegex(expression, { maxCharacter })
}

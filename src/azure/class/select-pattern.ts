import { beyondLimit } from '#lib'
import { classLimits } from './class-limits.ts'
import { type Letters, PatternFault, parsePattern, type Tree } from './parse-pattern.ts'

/** A pattern of names. It looks at the whole name, in time in proportion to the name's length and the pattern's size. */
export interface NamePattern {
  /** As the class writes it. */
  text: string
  /** @param onSteps called with the steps it took, each some nanoseconds */
  matches(name: string, onSteps?: (steps: number) => void): boolean
}

/**
 * Compiles a regular expression in RE2's syntax, as far as names need it: letters, `.`, classes, groups, `|`, `* + ?`, `{n,m}`,
 * `^` and `$`, and `(?i)` at the start. Back-references and look-around, for which no engine is linear, are refused. The result
 * runs all alternatives at once (Thompson's construction), so no pattern and no name can make it slow.
 * https://swtch.com/~rsc/regexp/regexp1.html
 *
 * @returns the pattern, or what is wrong with it
 */
export function compileNamePattern(text: string): NamePattern | { fault: string } {
  const { patternStates } = classLimits
  try {
    const { tree, ignoreCase } = parsePattern(text)
    const size = sizeOf(tree)
    if (size > patternStates.value) return { fault: beyondLimit(patternStates, size) }
    const states: State[] = [{ kind: 'match' }]
    const start = build(states, tree, 0)
    return {
      text,
      matches(name, onSteps) {
        const { matches, steps } = run(states, start, ignoreCase ? name.toLowerCase() : name)
        onSteps?.(steps)
        return matches
      },
    }
  } catch (error) {
    if (error instanceof PatternFault) return { fault: error.message }
    throw error
  }
}

type State =
  | { kind: 'match' }
  | { kind: 'letter'; taken: Letters; then: number }
  | { kind: 'either'; targets: number[] }
  | { kind: 'start' | 'end'; then: number }

/** How many states {@link build} makes, at most; counted first, as repetitions multiply. */
function sizeOf(tree: Tree): number {
  switch (tree.kind) {
    case 'sequence':
    case 'alternatives':
      return tree.parts.reduce((sum, part) => sum + sizeOf(part), 1)
    case 'repeat':
      return (sizeOf(tree.part) + 1) * Math.max(tree.least + 1, tree.most ?? 0)
    default:
      return 1
  }
}

/** Adds the states of a tree that go on to `then`; the first of them. */
function build(states: State[], tree: Tree, then: number): number {
  switch (tree.kind) {
    case 'empty':
      return then
    case 'letter':
      return states.push({ kind: 'letter', taken: tree.taken, then }) - 1
    case 'sequence':
      return tree.parts.reduceRight((next, part) => build(states, part, next), then)
    case 'alternatives':
      return states.push({ kind: 'either', targets: tree.parts.map((part) => build(states, part, then)) }) - 1
    case 'repeat':
      return buildRepeat(states, tree, then)
    default:
      return states.push({ kind: tree.kind, then }) - 1
  }
}

function buildRepeat(states: State[], { part, least, most }: Tree & { kind: 'repeat' }, then: number): number {
  let next = then
  if (most === undefined) {
    const loop: State & { kind: 'either' } = { kind: 'either', targets: [then] }
    next = states.push(loop) - 1
    loop.targets.push(build(states, part, next))
  }
  for (let optional = (most ?? least) - least; optional > 0; optional--) {
    const body = build(states, part, next)
    next = states.push({ kind: 'either', targets: [then, body] }) - 1
  }
  for (let required = least; required > 0; required--) next = build(states, part, next)
  return next
}

/** Follows every alternative at once: a state is visited at most once for each letter. */
function run(states: readonly State[], start: number, name: string): { matches: boolean; steps: number } {
  const visited = new Int32Array(states.length).fill(-1)
  const walk: Walk = { at: 0, end: name.length, visited, steps: states.length }
  let current = closure(states, [start], walk)
  for (let at = 0; at < name.length && current.length > 0; at++) {
    const code = name.charCodeAt(at)
    const next: number[] = []
    for (const index of current) {
      walk.steps++
      const state = states[index]
      if (state?.kind === 'letter' && state.taken[code] === 1) next.push(state.then)
    }
    walk.at = at + 1
    current = closure(states, next, walk)
  }
  return { matches: current.some((index) => states[index]?.kind === 'match'), steps: walk.steps }
}

interface Walk {
  at: number
  end: number
  /** Where each state was visited last. */
  visited: Int32Array
  steps: number
}

/** The states that take a letter, or match, and are reached from these without one. */
function closure(states: readonly State[], open: number[], walk: Walk): number[] {
  const { at, end, visited } = walk
  const reached: number[] = []
  for (let index = open.pop(); index !== undefined; index = open.pop()) {
    walk.steps++
    const state = states[index]
    if (state === undefined || visited[index] === at) continue
    visited[index] = at
    if (state.kind === 'either') open.push(...state.targets)
    else if (state.kind === 'start' || state.kind === 'end') {
      if (at === (state.kind === 'start' ? 0 : end)) open.push(state.then)
    } else reached.push(index)
  }
  return reached
}

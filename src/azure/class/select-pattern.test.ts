import assert from 'node:assert/strict'
import { Session } from 'node:inspector/promises'
import { test } from 'node:test'
import fc from 'fast-check'
import { textOf } from '../../../test/support/text-of.ts'
import { compileNamePattern } from './select-pattern.ts'

function matches(pattern: string, name: string): boolean {
  const compiled = compileNamePattern(pattern)
  if ('fault' in compiled) assert.fail(`${pattern}: ${compiled.fault}`)
  return compiled.matches(name)
}

const cases: readonly [pattern: string, matching: readonly string[], others: readonly string[]][] = [
  ['app-.*', ['app-', 'app-db'], ['my-app-db', 'App-db', 'app']],
  ['^app-.*$', ['app-db'], ['xapp-db']],
  ['(?i)APP-[a-c]+', ['app-abc', 'APP-ABC'], ['app-d']],
  ['(db|cache)-(?:user|password)', ['db-user', 'cache-password'], ['db-', 'db-userx']],
  ['a{2,3}', ['aa', 'aaa'], ['a', 'aaaa']],
  ['a{2}b{1,}c{0,1}', ['aab', 'aabbbc'], ['ab', 'aabcc']],
  ['[^a-c]\\d\\w?', ['x1', 'x12', 'x1_'], ['a1', 'xy']],
  ['(a|b|)*', ['', 'abba'], ['c']],
  ['(a*)*', ['', 'aaa'], ['b']],
  ['a|^b|c$|d^e', ['a', 'b', 'c'], ['d', 'de']],
  ['(?P<kind>x)-(?<other>y)', ['x-y'], ['x']],
  ['[]a-]\\.', ['].', 'a.', '-.'], ['b.', 'ab']],
  ['', [''], ['a']],
]

for (const [pattern, matching, others] of cases) {
  test(`the pattern ${JSON.stringify(pattern)} takes whole names`, () => {
    for (const name of matching) assert.ok(matches(pattern, name), name)
    for (const name of others) assert.ok(!matches(pattern, name), name)
  })
}

const refused: readonly [pattern: string, words: RegExp][] = [
  ['(a)\\1', /back-references/],
  ['a(?=b)', /look-around/],
  ['a(?!b)', /look-around/],
  ['(?<!a)b', /look-around/],
  ['(a', /\( without \), at character 1/],
  ['a)', /\) without \(, at character 2/],
  ['[a', /\[ without \]/],
  ['[b-a]', /end is before its start/],
  ['*a', /nothing before it/],
  ['a**', /repetition of a repetition/],
  ['a{x}', /number of repetitions/],
  ['a{3,2}', /end is below its start/],
  ['\\pL', /other escapes/],
  ['[[:alpha:]]', /write the range/],
  ['a\\', /other escapes/],
  ['((((a{9}){9}){9}){9}){9}', /states of a pattern/],
  ['a{999}{999}', /repetition of a repetition/],
  [`${'('.repeat(40)}a${')'.repeat(40)}`, /nest deeper/],
  ['a'.repeat(257), /characters/],
]

for (const [pattern, words] of refused) {
  test(`the pattern ${JSON.stringify(pattern.slice(0, 40))} is refused`, () => {
    const compiled = compileNamePattern(pattern)
    assert.ok('fault' in compiled)
    assert.match(compiled.fault, words)
  })
}

test('a pattern takes the names that a regular expression of JavaScript takes', () => {
  const atom = fc.constantFrom('a', 'b', '-', '.', '[ab]', '[^a]', '\\d', '\\w', '(?:ab)', '(a|b)', '(a|)', '(?:b*)')
  const count = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{2,}', '*?', '+?')
  const part = fc.tuple(atom, count).map((texts) => texts.join(''))
  const pattern = textOf(part, { maxLength: 6 })
  const name = fc.string({ unit: fc.constantFrom('a', 'b', '-', '1', 'A'), maxLength: 10 })
  fc.assert(
    fc.property(fc.tuple(pattern, pattern), name, ([left, right], text) => {
      const all = `${left}|${right}`
      assert.equal(matches(all, text), new RegExp(`^(?:${all})$`).test(text), `${all} on ${text}`)
    }),
    { numRuns: 2000 },
  )
})

test('patterns that backtracking engines take for ever on are as quick as others', () => {
  const name = `${'a'.repeat(126)}b`
  for (const pattern of ['(a*)*', '(a|a)*', '(a|aa)+', '(.*)*x', '(a?){60}a{60}', '([a-z]+)+$'])
    assert.equal(matches(pattern, `${name}-`), false, pattern)
})

test('the steps of a match are in proportion to its work, also for large classes that never fit', async () => {
  const name = 'a'.repeat(123)
  const patterns = [
    `(?i)(?:(?:[${'!'.repeat(220)}]?){230}.)*`,
    `(?:(?:[${'\\s'.repeat(110)}]?){230}.)*`,
    '(?:(?:b?){230}.)*',
    '(?:a{0,490}.)*',
    '(a|b|c|d|e|f|g|h|i|j)*',
  ]
  const counted: { pattern: string; steps: number; blocks: number }[] = []
  for (const pattern of patterns) {
    const compiled = compileNamePattern(pattern)
    if ('fault' in compiled) assert.fail(`${pattern}: ${compiled.fault}`)
    let steps = 0
    const blocks = await blocksOf(() =>
      compiled.matches(name, (taken) => {
        steps += taken
      }),
    )
    counted.push({ pattern, steps, blocks })
  }
  for (const { pattern, steps, blocks } of counted)
    assert.ok(steps > 1000 && blocks < 5 * steps, `${pattern}: ${blocks} blocks of code for ${steps} steps`)
})

/** How many blocks of the code of patterns are executed, as V8's precise coverage counts them. */
async function blocksOf(action: () => void): Promise<number> {
  const session = new Session()
  session.connect()
  try {
    await session.post('Profiler.enable')
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
    await session.post('Profiler.takePreciseCoverage')
    action()
    const { result } = await session.post('Profiler.takePreciseCoverage')
    const own = result.filter(({ url }) => url.endsWith('/select-pattern.ts'))
    return own
      .flatMap(({ functions }) => functions.flatMap(({ ranges }) => ranges))
      .reduce((sum, { count }) => sum + count, 0)
  } finally {
    session.disconnect()
  }
}

test('a name with letters beyond ASCII, which no vault has, fits no pattern', () => {
  for (const pattern of ['.*', '[^a]+', '\\W+', 'é+']) assert.equal(matches(pattern, 'éé'), false, pattern)
})

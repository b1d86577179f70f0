import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Problems, ProblemsError } from '#lib'
import { parseDuration } from '#lib/formats'
import { type FlagSpec, type FlagSpecs, flagForm, parseGoFlags } from './go-flags.ts'

const specs = {
  endpoint: { type: 'string', default: 'unix:///tmp/csi.sock', help: 'where to listen' },
  rotate: { type: 'boolean', default: false, help: 'rotate' },
  interval: { type: 'duration', default: 120_000, help: 'how often' },
  size: { type: 'integer', default: 4, help: 'bytes' },
  dirs: { type: 'strings', default: ['/a'], help: 'directories' },
  v: { type: 'ignored', help: 'klog verbosity' },
} as const satisfies FlagSpecs

function parse(...argv: string[]) {
  const problems = new Problems()
  const values = parseGoFlags(specs, argv, problems)
  problems.throwIfAny('test')
  return values
}

test('parseGoFlags() gives defaults without arguments', () => {
  assert.deepEqual(parse(), {
    endpoint: 'unix:///tmp/csi.sock',
    rotate: false,
    interval: 120_000,
    size: 4,
    dirs: ['/a'],
  })
})

test('parseGoFlags() takes one dash or two, with = or with a space', () => {
  assert.equal(parse('-endpoint=x').endpoint, 'x')
  assert.equal(parse('--endpoint', 'x').endpoint, 'x')
  assert.equal(parse('--rotate').rotate, true)
  assert.equal(parse('-rotate=F').rotate, false)
  assert.equal(parse('--interval', '1m30s').interval, 90_000)
  assert.deepEqual(parse('--dirs=/x,/y', '--dirs=/z').dirs, ['/x', '/y', '/z'])
  assert.equal(parse('-v=5', '--size=9').size, 9)
})

test('parseGoFlags() names every problem at once, with what would be right', () => {
  assert.throws(
    () => parse('--interval=soon', '--rotate=perhaps', '--endpont=x', 'stray', '--size=1.5'),
    (error) => {
      assert.ok(error instanceof ProblemsError)
      assert.deepEqual(
        error.problems.map(({ path }) => path),
        ['--interval', '--rotate', '--endpont', '', '--size'],
      )
      assert.match(error.message, /did you mean --endpoint\?/)
      assert.match(error.message, /expected a duration such as 30s/)
      return true
    },
  )
})

/** As the chart does it. */
function hasForm(spec: FlagSpec, text: string): boolean {
  const { type, pattern, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER } = flagForm(spec)
  if (pattern !== undefined && !new RegExp(pattern).test(text)) return false
  const number = type === 'duration' ? (parseDuration(text) ?? Number.NaN) : Number(text)
  return !['duration', 'integer', 'port'].includes(type) || (number >= min && number <= max)
}

function isTaken(spec: FlagSpec, text: string): boolean {
  const problems = new Problems()
  parseGoFlags({ flag: spec }, [`--flag=${text}`], problems)
  return problems.count === 0
}

test('flagForm() describes exactly the values that are taken', () => {
  const exact: FlagSpec[] = [
    { type: 'boolean', default: false, help: '' },
    { type: 'integer', default: 1, min: -1, max: 99_999, help: '' },
    { type: 'port', default: 1, help: '' },
    { type: 'duration', default: 1, min: 1000, max: 3_600_000, help: '' },
    { type: 'duration', default: 1, help: '' },
    { type: 'choice', values: ['off', 'User.Assigned'], default: '', help: '' },
    { type: 'choice', values: ['off', 'warn'], default: 'off', help: '' },
    { type: 'string', default: '', help: '' },
  ]
  const words = [
    '1',
    '0',
    '65535',
    '65536',
    '-',
    '+',
    '.',
    's',
    'ms',
    'm',
    'h',
    'true',
    'F',
    'off',
    'OFF',
    'user.assigned',
    'warn',
    ' ',
    '\n',
  ]
  const text = fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.constantFrom(...exact), fc.oneof(text, fc.string()), (spec, one) => {
      assert.equal(hasForm(spec, one), isTaken(spec, one), JSON.stringify([spec, one]))
    }),
    { numRuns: 5000 },
  )
})

test('flagForm() refuses no address and no endpoint that is taken', () => {
  const loose: FlagSpec[] = [
    { type: 'address', default: '', help: '' },
    { type: 'ip', default: '127.0.0.1', help: '' },
    { type: 'endpoint', default: 'unix:///a', help: '' },
  ]
  const words = [
    '127.0.0.1',
    '[::1]',
    '::1',
    ':',
    '0',
    '80',
    '65535',
    '65536',
    '00080',
    'unix://',
    'TCP://',
    '/a',
    'host',
  ]
  const text = fc.array(fc.constantFrom(...words), { maxLength: 4 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.constantFrom(...loose), fc.oneof(text, fc.string()), (spec, one) => {
      if (isTaken(spec, one)) assert.ok(hasForm(spec, one), JSON.stringify([spec, one]))
    }),
    { numRuns: 2000 },
  )
  for (const wrong of ['80', ':65536', 'host'])
    assert.ok(!hasForm({ type: 'address', default: '', help: '' }, wrong), wrong)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Problems, ProblemsError } from '#lib'
import { type FlagSpecs, parseGoFlags } from './go-flags.ts'

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

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { nearestName } from './nearest-name.ts'

test('nearestName() finds what was probably meant, in any case, and nothing that is far away', () => {
  const names = ['keyvaultName', 'tenantID', 'clientID']
  assert.equal(nearestName('keyvaultname', names), 'keyvaultName')
  assert.equal(nearestName('tenant', names), 'tenantID')
  assert.equal(nearestName('clntID', names), 'clientID')
  for (const far of ['colour', 'x', '', 'k'.repeat(50)]) assert.equal(nearestName(far, names), undefined)
})

test('nearestName() gives a name of the smallest distance, whatever it skips', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 5 })
  fc.assert(
    fc.property(word, fc.array(word, { maxLength: 6 }), (name, names) => {
      const found = nearestName(name, names)
      const most = Math.max(2, Math.floor(name.length / 3))
      const best = Math.min(most + 1, ...names.map((other) => distance(name, other)))
      assert.equal(found === undefined ? most + 1 : distance(name, found), best)
    }),
  )
})

test('nearestName() compares neither a long name nor a long list', () => {
  let compared = 0
  const names = Array.from({ length: 100_000 }, (_, i) => `name${i}`)
  const counting = new Proxy(names, {
    get(target, key, receiver) {
      if (typeof key === 'string' && /^\d+$/.test(key)) compared++
      return Reflect.get(target, key, receiver)
    },
  })
  nearestName('nameX', counting)
  assert.ok(compared <= 2000, String(compared))
  assert.equal(nearestName('n'.repeat(200_000), ['n'.repeat(200_000)]), undefined)
})

/** By its definition, without any shortcut. */
function distance(a: string, b: string): number {
  if (a === '' || b === '') return a.length + b.length
  const [rest, other] = [a.slice(1), b.slice(1)]
  return Math.min(distance(rest, other) + (a[0] === b[0] ? 0 : 1), distance(rest, b) + 1, distance(a, other) + 1)
}

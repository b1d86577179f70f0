import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseReference, parseRepository } from './reference.ts'

test('a reference is a registry, a repository and a tag', () => {
  assert.deepEqual(parseReference('contoso.azurecr.io/team/key__mount:v1.0_a'), {
    registry: 'contoso.azurecr.io',
    repository: 'team/key__mount',
    tag: 'v1.0_a',
  })
  for (const registry of ['localhost', 'localhost:5000', '127.0.0.1:5000', '[::1]:5000', 'registry.example:443']) {
    assert.equal(parseReference(`${registry}/a:b`).registry, registry)
  }
  assert.deepEqual(parseRepository('oci://registry.example/charts/'), {
    registry: 'registry.example',
    repository: 'charts',
  })
})

test('what is wrong with a reference is named', () => {
  const wrong: Record<string, RegExp> = {
    keymount: /expected REGISTRY\/NAME:TAG; the tag is missing/,
    'keymount:1': /expected REGISTRY\/NAME, for example/,
    'library/keymount:1': /registry: found "library", expected a host name with a dot or a port/,
    'r.example/a:': /tag: found ""/,
    'r.example/a:b c': /tag: found "b c"/,
    'r.example//a:1': /name: found "\/a"/,
    'r.example/a..b:1': /name: found "a\.\.b"/,
    'https://r.example/a:1': /registry: found "https:"/,
    'user@r.example/a:1': /a tag and no digest/,
    [`r.example/${'a'.repeat(256)}:1`]: /name: found 256 characters, expected at most 255/,
  }
  for (const [text, message] of Object.entries(wrong)) assert.throws(() => parseReference(text), message, text)
})

test('what is accepted makes an address of that registry and repository', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab.:/-_@[]?#%A0'), maxLength: 30 })
  fc.assert(
    fc.property(text, (given) => {
      let read: ReturnType<typeof parseReference>
      try {
        read = parseReference(`r.example/${given}`)
      } catch {
        return
      }
      const { host, pathname, search, hash } = new URL(`https://${read.registry}/v2/${read.repository}/x`)
      assert.deepEqual([host, pathname, search, hash], ['r.example', `/v2/${read.repository}/x`, '', ''])
    }),
    { numRuns: 2000 },
  )
})

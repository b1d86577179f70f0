import assert from 'node:assert/strict'
import { test } from 'node:test'
import { format, inspect } from 'node:util'
import { createLog } from './log.ts'
import { SecretValue } from './secret-value.ts'

const planted = 'hunter2-planted'

test('a SecretValue gives its bytes back and nothing else prints them', () => {
  const secret = SecretValue.of(planted)
  assert.equal(secret.revealText(), planted)
  const printed = [
    String(secret),
    `${secret}`,
    JSON.stringify({ deep: [{ secret }] }),
    inspect({ secret }, { depth: 9, showHidden: true }),
    format('%s %o %j', secret, secret, secret),
    Object.entries(secret).join(),
    JSON.stringify(Object.getOwnPropertyNames(secret)),
  ]
  for (const text of printed) assert.ok(!text.includes(planted), text)
})

test('the logger prints [redacted] for a SecretValue under any key', () => {
  const lines: string[] = []
  const log = createLog({ name: 'test', stream: { write: (line) => void lines.push(line) } })
  log.info({ token: SecretValue.of(planted), nested: { any: [SecretValue.of(planted)] } }, 'logged')
  assert.equal(lines.length, 1)
  assert.ok(!lines[0]?.includes(planted))
  assert.match(lines[0] ?? '', /\[redacted\]/)
})

test('SecretValue.equals() compares bytes', () => {
  assert.ok(SecretValue.of('a').equals(SecretValue.of(Buffer.from('a'))))
  assert.ok(!SecretValue.of('a').equals(SecretValue.of('b')))
})

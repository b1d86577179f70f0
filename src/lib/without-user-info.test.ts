import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { withoutUserInfo } from './without-user-info.ts'

test('withoutUserInfo() leaves out user and password, also of a URL that is malformed', () => {
  for (const [text, shown] of [
    ['http://user:planted@proxy:3128', 'http://…@proxy:3128'],
    ['http://user:pl@nted@proxy', 'http://…@proxy'],
    ['http://user:pl/an#ted@proxy/path', 'http://…@proxy/path'],
    ['http://user:planted@bad host:1', 'http://…@bad host:1'],
    ['user:planted@proxy:3128', '…@proxy:3128'],
    ['https://login.microsoftonline.com/', 'https://login.microsoftonline.com/'],
    ['someone@example.com', 'someone@example.com'],
    ['registry/image@sha256:abc', 'registry/image@sha256:abc'],
    ['', ''],
  ] as const) {
    assert.equal(withoutUserInfo(text), shown)
  }
})

test('no password of a proxy is shown, whatever characters it has', () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 8 }),
      fc.constantFrom('http://', 'https://', 'socks5://', ''),
      (password, scheme) => {
        const shown = withoutUserInfo(`${scheme}user:${password}Z@proxy:3128`)
        assert.ok(!shown.includes(`${password}Z`), shown)
      },
    ),
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Route, routeOf } from './route.ts'

const rows: [string, Route][] = [
  ['/metadata/identity/oauth2/token', 'token'],
  ['/metadata/identity/oauth2/token/', 'token'],
  ['/Metadata/identity/oauth2/token/', 'token'],
  ['/metadata/Identity', 'other'],
  ['/metadata/Identity/oauth2/token', 'token'],
  ['/host/token', 'host-token'],
  ['/host/token/', 'host-token'],
  ['/metadata/instance', 'instance'],
  ['/Metadata/instance/compute', 'instance'],
  ['/metadata/', 'other'],
  ['/metadata/identity\\oauth2/token/', 'invalid'],
  ['/metadata/identity/oauth2\\token/', 'invalid'],
  ['/metadata/identity\\oauth2\\token/', 'invalid'],
  ['/metadata/identity/\\oauth2\\token/', 'invalid'],
  ['/metadata/identity\\\\\\oauth2\\\\token/', 'invalid'],
  ['/metadata/identity%2Foauth2%2Ftoken', 'invalid'],
  ['/metadata/identity%255Coauth2%255Ctoken', 'invalid'],
  ['/metadata//identity/oauth2/token', 'invalid'],
  ['/metadata/./identity/x/../oauth2/token', 'invalid'],
  ['/metadata/identity/oauth2/tokens', 'invalid'],
  ['/metadata/%ff', 'invalid'],
  ['/Metadata%0aidentity/oauth2\ntoken', 'invalid'],
  [`/${'%25'.repeat(3)}2f`, 'invalid'],
  [`/a%${'25'.repeat(20)}2f`, 'invalid'],
  ['/metadata/scheduledevents', 'other'],
  ['/', 'other'],
]

for (const [path, expected] of rows) {
  test(`NMI routing: ${JSON.stringify(path)} is ${expected}`, () => assert.equal(routeOf(path), expected))
}

test('no spelling of the token path is forwarded to IMDS', () => {
  const slash = fc.constantFrom('/', '\\', '//', '%2f', '%5C', '/./', '/x/../', '%252F')
  const word = (text: string) =>
    fc.constantFrom(
      text,
      text.toUpperCase(),
      text.replace(/./, (c) => `%${c.charCodeAt(0).toString(16)}`),
    )
  const spelling = fc
    .tuple(slash, word('metadata'), slash, word('identity'), slash, word('oauth2'), slash, word('token'))
    .map((parts) => `/${parts.join('').replace(/^\//, '')}`)
  fc.assert(fc.property(spelling, (path) => ['token', 'invalid'].includes(routeOf(path))))
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { routeOf } from './route.ts'

describe('routeOf() decides by the path', () => {
  for (const [target, kind] of [
    ['/metadata/identity/oauth2/token', 'token'],
    ['/metadata/identity/oauth2/token/', 'token'],
    ['/Metadata/identity/oauth2/token/', 'token'],
    ['/METADATA/identity/oauth2/token?resource=x', 'token'],
    ['/metadata/identity/oauth2/%74oken', 'token'],
    ['http://169.254.169.254/metadata/identity/oauth2/token?resource=x', 'token'],
    ['/metadata/Identity/oauth2/token', 'other'],
    ['/metadata/identity/oauth2/tokens', 'other'],
    ['/metadata/identity/oauth2/%zz', 'other'],
    ['/metadata/instance', 'other'],
    ['/Metadata/instance', 'other'],
    ['/metadata/instance/', 'other'],
    ['/metadata/', 'other'],
    ['//evil.example/metadata/identity/oauth2/token', 'other'],
    ['/', 'other'],
    ['/readyz', 'ready'],
    ['/readyz/', 'ready'],
    ['/readyz?verbose', 'ready'],
  ] as const) {
    test(`${target} is ${kind}`, () => assert.equal(routeOf(target).kind, kind))
  }
})

test('routeOf() passes path and query on as they came', () => {
  assert.deepEqual(routeOf('/a//b?c=%20&d'), { kind: 'other', target: '/a//b?c=%20&d' })
  assert.deepEqual(routeOf('http://169.254.169.254?x=1'), { kind: 'other', target: '/?x=1' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseEndpoint } from './endpoint.ts'

for (const [text, path] of [
  ['unix://tmp/csi.sock', '/tmp/csi.sock'],
  ['unix:///csi/csi.sock', '/csi/csi.sock'],
  ['UNIX:///csi/csi.sock', '/csi/csi.sock'],
] as const) {
  test(`parseEndpoint() reads ${text} as the socket ${path}`, () => {
    assert.deepEqual(parseEndpoint(text, 'linux'), { kind: 'unix', path })
  })
}

test('parseEndpoint() leaves a Windows path as it is', () => {
  assert.deepEqual(parseEndpoint('unix://C:\\csi\\csi.sock', 'win32'), { kind: 'unix', path: 'C:\\csi\\csi.sock' })
})

test('parseEndpoint() reads a TCP address', () => {
  assert.deepEqual(parseEndpoint('tcp://127.0.0.1:10000'), { kind: 'tcp', address: '127.0.0.1:10000' })
})

for (const text of ['', 'tcp://localhost', 'unix:/x', '/csi/csi.sock', 'unix://', '://', 'http://x']) {
  test(`parseEndpoint() refuses "${text}"`, () => {
    assert.equal(parseEndpoint(text), undefined)
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeProtobuf } from './protobuf.ts'

const bytes = (number: number, payload: string | Buffer) => {
  const content = Buffer.from(payload)
  return Buffer.concat([Buffer.of((number << 3) | 2, content.length), content])
}
const varint = (number: number, value: number) => Buffer.of(number << 3, value)
const message = (...fields: Buffer[]) => Buffer.concat(fields)

/** A body as client-go sends it. */
function body(kind: string, object: Buffer): Buffer {
  return message(Buffer.from('k8s\0'), bytes(1, message(bytes(1, 'v1'), bytes(2, kind))), bytes(2, object))
}

test('decodeProtobuf() reads maps, lists, times, flags and nested messages', () => {
  const owner = message(bytes(1, 'Pod'), bytes(3, 'p'), varint(6, 1))
  const metadata = message(
    bytes(1, 's'),
    bytes(2, ''),
    bytes(8, message(varint(1, 60))),
    bytes(11, message(bytes(1, 'app'), bytes(2, 'a'))),
    bytes(11, message(bytes(1, 'empty'))),
    bytes(13, owner),
    bytes(14, 'one'),
    bytes(14, 'two'),
    bytes(15, 'a field of a later version'),
  )
  const secret = message(
    bytes(1, metadata),
    bytes(2, message(bytes(1, 'key'), bytes(2, Buffer.of(0, 255)))),
    varint(5, 1),
  )
  assert.deepEqual(decodeProtobuf(body('Secret', secret)), {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 's',
      creationTimestamp: '1970-01-01T00:01:00Z',
      labels: { app: 'a', empty: '' },
      ownerReferences: [{ kind: 'Pod', name: 'p', controller: true }],
      finalizers: ['one', 'two'],
    },
    data: { key: 'AP8=' },
    immutable: true,
  })
})

test('decodeProtobuf() refuses what it cannot read, with a message that includes the fix', () => {
  assert.throws(
    () => decodeProtobuf(body('Deployment', Buffer.alloc(0))),
    /cannot read a Deployment in protobuf.*kubectl apply -f/,
  )
  assert.throws(() => decodeProtobuf(Buffer.from('{}')), /must begin with/)
  assert.throws(() => decodeProtobuf(body('Secret', Buffer.of(10, 200))), /damaged/)
})

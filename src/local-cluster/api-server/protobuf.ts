import { badRequest, unsupportedMediaType } from './api-error.ts'
import { isRecord, timestamp } from './api-object.ts'

/**
 * Reads the bodies that kubectl's typed commands send in protobuf, whatever the server offers. Answers are always JSON.
 * Field numbers are those of Kubernetes' `generated.proto` files, for the messages that those commands need.
 */
type Type =
  | 'string'
  | 'bytes'
  | 'bool'
  | 'int'
  | 'time'
  | Message
  | { map: 'string' | 'bytes' }
  | { list: 'string' | Message }

interface Message {
  [fieldNumber: number]: readonly [name: string, type: Type]
}

const objectReference: Message = {
  1: ['kind', 'string'],
  2: ['namespace', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
}

const ownerReference: Message = {
  1: ['kind', 'string'],
  3: ['name', 'string'],
  4: ['uid', 'string'],
  5: ['apiVersion', 'string'],
  6: ['controller', 'bool'],
  7: ['blockOwnerDeletion', 'bool'],
}

const metadata: Message = {
  1: ['name', 'string'],
  2: ['generateName', 'string'],
  3: ['namespace', 'string'],
  5: ['uid', 'string'],
  6: ['resourceVersion', 'string'],
  7: ['generation', 'int'],
  8: ['creationTimestamp', 'time'],
  9: ['deletionTimestamp', 'time'],
  10: ['deletionGracePeriodSeconds', 'int'],
  11: ['labels', { map: 'string' }],
  12: ['annotations', { map: 'string' }],
  13: ['ownerReferences', { list: ownerReference }],
  14: ['finalizers', { list: 'string' }],
}

const messages: Record<string, Message> = {
  ServiceAccount: {
    1: ['metadata', metadata],
    2: ['secrets', { list: objectReference }],
    3: ['imagePullSecrets', { list: { 1: ['name', 'string'] } }],
    4: ['automountServiceAccountToken', 'bool'],
  },
  Secret: {
    1: ['metadata', metadata],
    2: ['data', { map: 'bytes' }],
    3: ['type', 'string'],
    4: ['stringData', { map: 'string' }],
    5: ['immutable', 'bool'],
  },
  ConfigMap: {
    1: ['metadata', metadata],
    2: ['data', { map: 'string' }],
    3: ['binaryData', { map: 'bytes' }],
    4: ['immutable', 'bool'],
  },
  Namespace: {
    1: ['metadata', metadata],
    2: ['spec', { 1: ['finalizers', { list: 'string' }] }],
    3: ['status', { 1: ['phase', 'string'] }],
  },
  TokenRequest: {
    1: ['metadata', metadata],
    2: [
      'spec',
      {
        1: ['audiences', { list: 'string' }],
        3: [
          'boundObjectRef',
          { 1: ['kind', 'string'], 2: ['apiVersion', 'string'], 3: ['name', 'string'], 4: ['uid', 'string'] },
        ],
        4: ['expirationSeconds', 'int'],
      },
    ],
  },
  SelfSubjectAccessReview: {
    1: ['metadata', metadata],
    2: [
      'spec',
      {
        1: [
          'resourceAttributes',
          {
            1: ['namespace', 'string'],
            2: ['verb', 'string'],
            3: ['group', 'string'],
            4: ['version', 'string'],
            5: ['resource', 'string'],
            6: ['subresource', 'string'],
            7: ['name', 'string'],
          },
        ],
        2: ['nonResourceAttributes', { 1: ['path', 'string'], 2: ['verb', 'string'] }],
      },
    ],
  },
  SelfSubjectReview: { 1: ['metadata', metadata] },
}

const magic = Buffer.from('k8s\0')
const unknownMessage: Message = {
  1: ['typeMeta', { 1: ['apiVersion', 'string'], 2: ['kind', 'string'] }],
  2: ['raw', 'bytes'],
}

/** The object of a body of type `application/vnd.kubernetes.protobuf`. Throws 415 for a kind that is not in the table. */
export function decodeProtobuf(body: Buffer): unknown {
  if (!body.subarray(0, 4).equals(magic))
    throw badRequest('the protobuf body does not begin with the magic bytes "k8s\\0"')
  const { typeMeta, raw } = decodeMessage(unknownMessage, body.subarray(4))
  const { apiVersion = '', kind = '' } = (isRecord(typeMeta) ? typeMeta : {}) as { apiVersion?: string; kind?: string }
  const message = messages[kind]
  if (message === undefined) {
    throw unsupportedMediaType(
      `the local cluster cannot read a ${kind} in protobuf; write it to a file and use kubectl apply -f, which sends JSON`,
    )
  }
  const bytes = typeof raw === 'string' ? Buffer.from(raw, 'base64') : Buffer.alloc(0)
  return { ...decodeMessage(message, bytes), apiVersion, kind }
}

function decodeMessage(message: Message, bytes: Buffer): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  const reader = { bytes, at: 0 }
  while (reader.at < bytes.length) {
    const tag = readVarint(reader)
    const value = readValue(reader, tag & 7)
    const field = message[tag >>> 3]
    if (field !== undefined) assign(result, field[0], field[1], value)
  }
  return result
}

/** https://protobuf.dev/programming-guides/encoding/ */
function readValue(reader: { bytes: Buffer; at: number }, wireType: number): number | Buffer {
  if (wireType === 0) return readVarint(reader)
  const length = wireType === 2 ? readVarint(reader) : wireType === 1 ? 8 : wireType === 5 ? 4 : -1
  const end = reader.at + length
  if (length < 0 || end > reader.bytes.length) throw badRequest('the protobuf body is damaged')
  const value = reader.bytes.subarray(reader.at, end)
  reader.at = end
  return value
}

function readVarint(reader: { bytes: Buffer; at: number }): number {
  let value = 0
  for (let factor = 1; ; factor *= 128) {
    const byte = reader.bytes[reader.at++]
    if (byte === undefined) throw badRequest('the protobuf body is damaged')
    value += (byte & 127) * factor
    if (byte < 128) return value
  }
}

function assign(target: Record<string, unknown>, name: string, type: Type, value: number | Buffer): void {
  if (typeof type === 'object' && 'list' in type) {
    const before = target[name]
    target[name] = [...(Array.isArray(before) ? before : []), convert(type.list, value)]
  } else if (typeof type === 'object' && 'map' in type) {
    const entry = decodeMessage({ 1: ['key', 'string'], 2: ['value', type.map] }, value as Buffer)
    const before = target[name]
    target[name] = { ...(isRecord(before) ? before : {}), [String(entry['key'] ?? '')]: entry['value'] ?? '' }
  } else {
    const converted = convert(type as Exclude<Type, object> | Message, value)
    // Go encodes a zero value where JSON leaves the field out.
    if (converted !== '' && converted !== undefined) target[name] = converted
  }
}

function convert(type: 'string' | 'bytes' | 'bool' | 'int' | 'time' | Message, value: number | Buffer): unknown {
  if (typeof value === 'number') return type === 'bool' ? value !== 0 : value
  if (type === 'string') return value.toString('utf8')
  if (type === 'bytes') return value.toString('base64')
  if (type === 'time') {
    const { seconds } = decodeMessage({ 1: ['seconds', 'int'] }, value)
    return typeof seconds === 'number' ? timestamp(seconds * 1000) : undefined
  }
  return typeof type === 'object' ? decodeMessage(type, value) : undefined
}

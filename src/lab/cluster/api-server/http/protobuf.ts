import { BinaryReader } from '@bufbuild/protobuf/wire'
import { errorMessage, timestamp } from '#lib'
import { badRequest, unsupportedMediaType } from '../api-error.ts'
import { isRecord, textAt } from '../api-object.ts'
import { builtInRows } from '../kinds/built-in-kinds.ts'

/**
 * Reads the bodies that kubectl's typed commands send in protobuf, whatever the server offers; answers are always JSON.
 * One entry per message, from the `generated.proto` files of Kubernetes 1.34: its fields, each `NUMBER NAME TYPE`. Without a
 * type it is a string; `[]` is a list, `{}` a map with text keys. The messages of stored kinds are in their rows.
 */
const common: Record<string, string> = {
  Unknown: '1 typeMeta TypeMeta, 2 raw bytes',
  TypeMeta: '1 apiVersion, 2 kind',
  Time: '1 seconds int',
  ObjectMeta:
    '1 name, 2 generateName, 3 namespace, 5 uid, 6 resourceVersion, 7 generation int, 8 creationTimestamp Time, 9 deletionTimestamp Time, 10 deletionGracePeriodSeconds int, 11 labels string{}, 12 annotations string{}, 13 ownerReferences OwnerReference[], 14 finalizers string[]',
  OwnerReference: '1 kind, 3 name, 4 uid, 5 apiVersion, 6 controller bool, 7 blockOwnerDeletion bool',
  DeleteOptions:
    '1 gracePeriodSeconds int, 2 preconditions Preconditions, 3 orphanDependents bool, 4 propagationPolicy, 5 dryRun string[]',
  Preconditions: '1 uid, 2 resourceVersion',
  TokenRequest: '1 metadata ObjectMeta, 2 spec TokenRequestSpec',
  TokenRequestSpec: '1 audiences string[], 3 boundObjectRef BoundObjectReference, 4 expirationSeconds int',
  BoundObjectReference: '1 kind, 2 apiVersion, 3 name, 4 uid',
  SelfSubjectAccessReview: '1 metadata ObjectMeta, 2 spec AccessReviewSpec',
  AccessReviewSpec: '1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes NonResourceAttributes',
  ResourceAttributes: '1 namespace, 2 verb, 3 group, 4 version, 5 resource, 6 subresource, 7 name',
  NonResourceAttributes: '1 path, 2 verb',
  SelfSubjectReview: '1 metadata ObjectMeta',
}
const source = Object.assign({}, common, ...builtInRows.map(({ protobuf }) => protobuf)) as Record<string, string>

interface Field {
  name: string
  type: string
  shape: 'single' | 'list' | 'map'
}

const messages = new Map(Object.entries(source).map(([name, text]) => [name, parseFields(text)]))

function parseFields(text: string): Map<number, Field> {
  const fields = text.split(', ').map((line): [number, Field] => {
    const [number, name = '', type = 'string'] = line.split(' ')
    const shape = type.endsWith('[]') ? 'list' : type.endsWith('{}') ? 'map' : 'single'
    return [Number(number), { name, type: type.replace(/\[\]|\{\}/, ''), shape }]
  })
  return new Map(fields)
}

const magic = Buffer.from('k8s\0')

/** The object of a body of type `application/vnd.kubernetes.protobuf`. Throws 415 for a kind without a message. */
export function decodeProtobuf(body: Buffer): unknown {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest('a protobuf body must begin with the bytes "k8s\\0"')
  const envelope = decode('Unknown', body.subarray(4))
  const [apiVersion, kind] = [textAt(envelope, 'typeMeta', 'apiVersion'), textAt(envelope, 'typeMeta', 'kind')]
  if (!messages.has(kind)) {
    throw unsupportedMediaType(
      `the local cluster cannot read a ${kind} in protobuf; write it to a file and use kubectl apply -f, which sends JSON`,
    )
  }
  return { ...decode(kind, Buffer.from(textAt(envelope, 'raw'), 'base64')), apiVersion, kind }
}

function decode(name: string, bytes: Uint8Array): Record<string, unknown> {
  try {
    return decodeMessage(name, bytes)
  } catch (error) {
    throw badRequest(`the protobuf body is damaged: ${errorMessage(error)}`)
  }
}

function decodeMessage(name: string, bytes: Uint8Array): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  const reader = new BinaryReader(bytes)
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag()
    const field = messages.get(name)?.get(number)
    if (field === undefined) reader.skip(wireType)
    else readField(result, field, reader)
  }
  return result
}

function readField(target: Record<string, unknown>, { name, type, shape }: Field, reader: BinaryReader): void {
  const before = target[name]
  if (shape === 'map') target[name] = { ...(isRecord(before) ? before : {}), ...readEntry(type, reader.bytes()) }
  else {
    const value = readValue(type, reader)
    if (shape === 'list') target[name] = [...(Array.isArray(before) ? before : []), value]
    // Go writes an empty value where JSON leaves the field out.
    else if (value !== '' && value !== undefined) target[name] = value
  }
}

/** A map is a list of messages with a key (1) and a value (2). */
function readEntry(type: string, bytes: Uint8Array): Record<string, unknown> {
  const reader = new BinaryReader(bytes)
  let [key, value]: [string, unknown] = ['', '']
  while (reader.pos < reader.len) {
    const [number] = reader.tag()
    if (number === 1) key = reader.string()
    else value = readValue(type, reader)
  }
  return { [key]: value }
}

function readValue(type: string, reader: BinaryReader): unknown {
  if (type === 'string') return reader.string()
  if (type === 'bool') return reader.bool()
  if (type === 'int') return Number(reader.int64())
  if (type === 'bytes') return Buffer.from(reader.bytes()).toString('base64')
  const message = decodeMessage(type, reader.bytes())
  if (type !== 'Time') return message
  return typeof message.seconds === 'number' ? timestamp(message.seconds * 1000) : undefined
}

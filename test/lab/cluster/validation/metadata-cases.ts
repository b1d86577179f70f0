import { casesOf } from './case.ts'

const uid = '00000000-0000-4000-8000-000000000000'
const map = (metadata: object, fields: object = {}) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...fields })
const named = (metadata: object) => map({ name: 'one', ...metadata })
const owner = (fields: object = {}) => ({ apiVersion: 'v1', kind: 'Pod', name: 'p', uid, ...fields })
const owned = (...ownerReferences: object[]) => named({ ownerReferences })

/** The rules for the metadata of every kind, tried with ConfigMaps. */
export const metadataCases = casesOf('configmaps', {
  'a generated name': map({ generateName: 'one-' }),
  'a generated name that is not a name': map({ generateName: 'One-' }),
  'no name': map({}),
  'an empty name': map({ name: '' }),
  'no metadata': { apiVersion: 'v1', kind: 'ConfigMap' },
  'a name in upper case': map({ name: 'One' }),
  'a name with an underscore': map({ name: 'a_b' }),
  'a name that ends with a dash': map({ name: 'a-' }),
  'a name with two dots': map({ name: 'a..b' }),
  'a name with dots': map({ name: 'a.b' }),
  'a name of 253 characters': map({ name: 'n'.repeat(253) }),
  'a name of 254 characters': map({ name: 'n'.repeat(254) }),
  'a number as name': map({ name: 1 }),
  'another namespace': named({ namespace: 'default' }),
  'a label with a prefix': named({ labels: { 'example.com/a': 'b' } }),
  'an empty label': named({ labels: { a: '' } }),
  'a label with a space': named({ labels: { a: 'b c' } }),
  'a label of 63 characters': named({ labels: { a: 'b'.repeat(63) } }),
  'a label of 64 characters': named({ labels: { a: 'b'.repeat(64) } }),
  'a label key with a space': named({ labels: { 'a b': 'c' } }),
  'a label key of 64 characters': named({ labels: { ['a'.repeat(64)]: 'c' } }),
  'a label key of two slashes': named({ labels: { 'a/b/c': 'd' } }),
  'a label key with an empty prefix': named({ labels: { '/a': 'd' } }),
  'a label key with an upper-case prefix': named({ labels: { 'Example.com/a': 'd' } }),
  'an empty label key': named({ labels: { '': 'd' } }),
  'a number as label': named({ labels: { a: 1 } }),
  'an annotation with any text': named({ annotations: { 'example.com/a': 'b c\n"d"' } }),
  'an annotation key with upper-case letters': named({ annotations: { 'Example.com/A': 'b' } }),
  'an annotation key with a space': named({ annotations: { 'a b': 'c' } }),
  'a boolean as annotation': named({ annotations: { a: true } }),
  'annotations of 256 KiB': named({ annotations: { a: 'x'.repeat(256 * 1024 - 1) } }),
  'annotations of more than 256 KiB': named({ annotations: { a: 'x'.repeat(256 * 1024) } }),
  'a finalizer': named({ finalizers: ['example.com/wait'] }),
  'a finalizer without a domain': named({ finalizers: ['wait'] }),
  'a finalizer with a space': named({ finalizers: ['a b'] }),
  'an empty finalizer': named({ finalizers: [''] }),
  'both finalizers of the garbage collector': named({ finalizers: ['orphan', 'foregroundDeletion'] }),
  'a text as finalizers': named({ finalizers: 'wait' }),
  'an owner': owned(owner()),
  'an owner that controls': owned(owner({ controller: true, blockOwnerDeletion: true })),
  'two owners that control': owned(
    owner({ controller: true }),
    owner({ controller: true, uid: uid.replace('0000', '1111') }),
  ),
  'an owner without a version': owned({ kind: 'Pod', name: 'p', uid }),
  'an owner of an empty version': owned(owner({ apiVersion: '' })),
  'an owner of a version with two slashes': owned(owner({ apiVersion: 'a/b/c' })),
  'an owner without a kind': owned(owner({ kind: '' })),
  'an owner without a name': owned(owner({ name: '' })),
  'an owner without a uid': owned(owner({ uid: '' })),
  'an Event as owner': owned(owner({ kind: 'Event' })),
  'an unknown field of an owner': owned(owner({ namespace: 'x' })),
  'an unknown field of the metadata': named({ label: {} }),
})

const plain = (data: object, fields: object = {}) => map({ name: 'one' }, { data, ...fields })
const frozen = plain({ a: 'b' }, { immutable: true })

export const configMapCases = casesOf('configmaps', {
  'a ConfigMap': plain({ a: 'b' }),
  'a ConfigMap without data': map({ name: 'one' }),
  'a ConfigMap with binary data': plain({ a: 'b' }, { binaryData: { b: 'YQ==' } }),
  'binary data that is not base64': plain({}, { binaryData: { b: '!' } }),
  'one key in both': plain({ a: 'b' }, { binaryData: { a: 'YQ==' } }),
  'a key with a space': plain({ 'a b': 'c' }),
  'a binary key with a space': plain({}, { binaryData: { 'a b': 'YQ==' } }),
  'the key ..': plain({ '..': 'c' }),
  'a number as data': plain({ a: 1 }),
  'an object as data': plain({ a: {} }),
  'a null value': plain({ a: null }),
  'data of exactly 1 MiB': plain({ a: 'x'.repeat(1024 * 1024) }),
  'data of more than 1 MiB': plain({ a: 'x'.repeat(1024 * 1024), b: 'x' }),
  'an immutable ConfigMap with new data': [frozen, plain({ a: 'c' }, { immutable: true })],
  'an immutable ConfigMap with new binary data': [frozen, { ...frozen, binaryData: { b: 'YQ==' } }],
  'an immutable ConfigMap that is no longer immutable': [frozen, plain({ a: 'b' })],
  'an object in brackets': '[]',
  'a body of text': '"text"',
  'a body that is not JSON': '{',
  'a body of null': 'null',
})

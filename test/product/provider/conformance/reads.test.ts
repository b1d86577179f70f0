import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { objectsOf } from '../../../support/provider.ts'
import { dbValue, type Row, type World, walk } from './walk.ts'

/** A class with these objects. A version may be one of `rolling`'s, by its place. */
const objects = (name: string, list: Record<string, string | number>[], expect: Row['expect']): Row => ({
  name,
  parameters: (world) => ({ objects: objectsOf(...list.map((one) => withVersion(one, world))) }),
  expect,
})

function withVersion(object: Record<string, string | number>, { rolling }: World): Record<string, string | number> {
  const { objectVersion } = object
  return typeof objectVersion === 'number' ? { ...object, objectVersion: rolling[objectVersion] ?? '' } : object
}

const rolling = { objectName: 'rolling', objectType: 'secret' }
const missing = (...words: string[]) => ({ words, code: status.NOT_FOUND })

const single: Row[] = [
  objects('no version: the newest', [rolling], {
    files: { rolling: 'rolling 3' },
    ids: ['secret/rolling'],
    versions: [0],
  }),
  objects('latest: the newest, unlike upstream', [{ ...rolling, objectVersion: 'latest' }], {
    files: { rolling: 'rolling 3' },
    versions: [0],
  }),
  objects('a version by its id', [{ ...rolling, objectVersion: 3 }], {
    files: { rolling: 'rolling 0' },
    ids: ['secret/rolling'],
    versions: [3],
  }),
  objects('a version that has expired is given', [{ ...rolling, objectVersion: 2 }], {
    files: { rolling: 'rolling 1' },
    versions: [2],
  }),
  objects('a version that is disabled', [{ ...rolling, objectVersion: 1 }], {
    words: ['objectName:rolling', '[vault-object-disabled]'],
    code: status.PERMISSION_DENIED,
  }),
  objects(
    'a version that does not exist',
    [{ ...rolling, objectVersion: 'f'.repeat(32) }],
    missing(`failed to get objectType:secret, objectName:rolling, objectVersion:${'f'.repeat(32)}: `),
  ),
  objects('an object that does not exist', [{ ...rolling, objectName: 'none' }], missing('ERROR CODE: SecretNotFound')),
]

const history: Row[] = [
  objects('a history: enabled versions, newest first, expired ones too', [{ ...rolling, objectVersionHistory: 200 }], {
    files: { 'rolling/0': 'rolling 3', 'rolling/1': 'rolling 1', 'rolling/2': 'rolling 0' },
    ids: ['secret/rolling/0', 'secret/rolling/1', 'secret/rolling/2'],
    versions: [0, 2, 3],
  }),
  objects('a history of two is two, unlike upstream', [{ ...rolling, objectVersionHistory: 2 }], {
    files: { 'rolling/0': 'rolling 3', 'rolling/1': 'rolling 1' },
    versions: [0, 2],
  }),
  objects('a history from latest', [{ ...rolling, objectVersionHistory: 2, objectVersion: 'latest' }], {
    files: { 'rolling/0': 'rolling 3', 'rolling/1': 'rolling 1' },
    versions: [0, 2],
  }),
  objects('a history from one version on', [{ ...rolling, objectVersionHistory: 5, objectVersion: 2 }], {
    files: { 'rolling/0': 'rolling 1', 'rolling/1': 'rolling 0' },
    versions: [2, 3],
  }),
  objects('a history under an alias', [{ ...rolling, objectVersionHistory: 2, objectAlias: 'a/8' }], {
    files: { 'a/8/0': 'rolling 3', 'a/8/1': 'rolling 1' },
    ids: ['secret/rolling/0', 'secret/rolling/1'],
  }),
  ...[1, 'f'.repeat(32)].map((version) =>
    objects(
      `a history from a version that is ${version === 1 ? 'disabled' : 'not there'}, unlike upstream`,
      [{ ...rolling, objectVersionHistory: 5, objectVersion: version }],
      missing('[object-version-missing]', 'is not among the enabled versions'),
    ),
  ),
  objects(
    'a history of a key and of a certificate',
    [
      { objectName: 'rsa', objectType: 'key', objectVersionHistory: 2 },
      { objectName: 'web', objectType: 'cert', objectVersionHistory: 2 },
    ],
    {
      files: { 'rsa/0': /BEGIN PUBLIC KEY/, 'web/0': /BEGIN CERTIFICATE/ },
      ids: ['key/rsa/0', 'cert/web/0'],
    },
  ),
]

const publicKey = /^-----BEGIN PUBLIC KEY-----\n([A-Za-z0-9+/=]{1,64}\n)+-----END PUBLIC KEY-----\n$/
const kinds: Row[] = [
  ...['rsa', 'p256', 'p384', 'p521'].map((name) =>
    objects(`the key ${name}`, [{ objectName: name, objectType: 'key' }], {
      files: { [name]: publicKey },
      ids: [`key/${name}`],
    }),
  ),
  objects('a key on a curve that is not supported', [{ objectName: 'p256k', objectType: 'key' }], {
    words: ['objectType:key, objectName:p256k', 'curve P-256K is not supported'],
    code: status.FAILED_PRECONDITION,
  }),
  objects(
    'a certificate as cert, key and secret',
    [
      { objectName: 'web', objectType: 'cert', objectAlias: 'c' },
      { objectName: 'web', objectType: 'key', objectAlias: 'k' },
      { objectName: 'web', objectType: 'secret', objectAlias: 's' },
    ],
    {
      files: {
        c: /^-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n$/,
        k: publicKey,
        s: /^-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----/,
      },
      ids: ['cert/web', 'key/web', 'secret/web'],
    },
  ),
]

const order: Row[] = [
  objects(
    'files in the order of the class',
    [
      { objectName: 'json', objectType: 'secret' },
      { ...rolling, objectVersionHistory: 2 },
      { objectName: 'db', objectType: 'secret' },
    ],
    {
      files: { json: '{"user":"sa"}', 'rolling/0': 'rolling 3', 'rolling/1': 'rolling 1', db: dbValue },
      ids: ['secret/json', 'secret/rolling/0', 'secret/rolling/1', 'secret/db'],
    },
  ),
  objects(
    'one object under two aliases has one id for both files',
    [
      { objectName: 'db', objectType: 'secret', objectAlias: 'a' },
      { objectName: 'db', objectType: 'secret', objectAlias: 'b' },
    ],
    { files: { a: dbValue, b: dbValue }, ids: ['secret/db', 'secret/db'] },
  ),
  objects(
    'one object that fails, fails the mount',
    [
      { objectName: 'db', objectType: 'secret' },
      { objectName: 'none', objectType: 'secret' },
    ],
    missing('failed to get objectType:secret, objectName:none'),
  ),
]

test('what of a vault is read, in which version, and under which name it is mounted', (t) =>
  walk(t, [...single, ...history, ...kinds, ...order]))

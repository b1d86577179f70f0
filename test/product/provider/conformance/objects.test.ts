import { test } from 'node:test'
import { objectsOf } from '../../../support/provider.ts'
import { dbValue, mounted, type Refused, type Row, refused, walk } from './walk.ts'

/** The `objects` parameter as a text. */
const yaml = (name: string, objects: string, expect: Row['expect']): Row => ({ name, parameters: { objects }, expect })

/** One object with these fields beside name and type. */
const field = (name: string, fields: Record<string, string | number>, expect: Row['expect']): Row =>
  yaml(name, objectsOf({ objectName: 'db', objectType: 'secret', ...fields }), expect)

const nothing = { files: {}, ids: [] }
const db = 'objectName: db, objectType: secret'

const documents: Row[] = [
  yaml('texts in a list', 'array:\n  - |\n    objectName: db\n    objectType: secret\n', mounted),
  yaml('a text in one line', 'array: ["objectName: db\\nobjectType: secret\\n"]', mounted),
  yaml(
    'all fields, with nothing in most',
    'array:\n- |\n  objectName: db\n  objectAlias: ""\n  objectType: secret\n  objectVersion: ""\n  objectVersionHistory: 0\n  objectFormat: ""\n  objectEncoding: ""\n  filePermission: ""\n',
    mounted,
  ),
  ...['array: []', 'array:', 'other: 1', '# nothing', 'array:\n  -\n', 'array: [~]'].map((text) =>
    yaml(`no object in ${JSON.stringify(text)}`, text, nothing),
  ),
  yaml('unknown keys have no effect', `more: 1\narray:\n  - |\n    {${db}, color: blue}\n`, mounted),
  yaml('a dangling entry is dropped', `array:\n  -\n  - "{${db}}"\n`, mounted),
  yaml('the entry behind a dangling one moves up', 'array:\n  -\n  - db\n', refused('keyVaultObjects at index 0,')),
  yaml('an empty text is an empty object', 'array: [""]', refused('parameter name cannot be empty')),
  yaml('only the first of several documents', `array: ["{${db}}"]\n---\narray: [1]\n`, mounted),
  yaml('anchors and aliases', `array: ["{objectName: &n db, objectType: secret, objectAlias: *n}"]`, mounted),
  yaml('merge keys', 'array:\n  - |\n    base: &b {objectType: secret}\n    <<: *b\n    objectName: db\n', mounted),
  yaml(
    'a key given twice',
    'array:\n  - |\n    objectName: db\n    objectName: b\n',
    refused('mapping key "objectName" already defined'),
  ),
  yaml('entries that are mappings, unlike upstream', `array:\n  - {${db}}\n`, mounted),
  yaml('a list without array, unlike upstream', `- {${db}}\n`, mounted),
  yaml(
    'a word',
    'db',
    refused('failed to yaml unmarshal objects, error: yaml: found the text "db", expected "array:"'),
  ),
  yaml('an entry that is a list', 'array:\n  - [a]\n', refused('keyVaultObjects at index 0')),
  yaml('an inner word', 'array:\n  - db\n', refused('index 0, error: yaml: found the text "db"')),
  yaml('an inner list', 'array:\n  - "[db]"\n', refused('index 0, error: yaml: found a list, expected fields')),
  yaml('a tab as indentation', 'array:\n\t- x', refused(/failed to yaml unmarshal objects, error: yaml: line \d+/)),
  yaml(
    'broken inner YAML',
    `array:\n  - "{${db}}"\n  - "a: [b"\n`,
    refused('unmarshal failed for keyVaultObjects at index 1, error: yaml'),
  ),
  yaml('a control character', 'array:\n  - "a\u0007"\n', refused('yaml: control characters are not allowed')),
]

const invalidType = 'Invalid vaultObjectTypes. Should be secret, key, or cert'
const typeRow = (text: string): Row =>
  field(`objectType "${text}" is invalid`, { objectType: text }, refused(invalidType, `objectType:${text.trim()},`))

const fields: Row[] = [
  field('texts are trimmed', { objectAlias: '"  db  "', objectType: '" secret "' }, mounted),
  field('no objectName', { objectName: '', objectAlias: 'x' }, refused('parameter name cannot be empty')),
  field('objectName with a path', { objectName: '../db', objectAlias: 'x' }, refused('invalid objectName: ../db')),
  ...['secrt', 'Secret', 'KEY', 'certs'].map(typeRow),
  yaml('no objectType', objectsOf({ objectName: 'db' }), refused(invalidType)),
  field(
    'objectType certificate is cert',
    { objectName: 'web', objectType: 'certificate' },
    {
      files: { web: /^-----BEGIN CERTIFICATE-----/ },
      ids: ['cert/web'],
    },
  ),
  ...['pem', 'PEM', 'pfx', 'PFX', '""'].map((text) =>
    field(`objectFormat ${text} of a secret that is not a certificate`, { objectFormat: text }, mounted),
  ),
  field('objectFormat pkcs', { objectFormat: 'pkcs' }, refused('invalid objectFormat: pkcs, should be PEM or PFX')),
  ...['key', 'cert'].flatMap((type) => [
    ...['pfx', 'PFX'].map((text) =>
      field(
        `objectFormat ${text} of a ${type}`,
        { objectName: 'web', objectType: type, objectFormat: text },
        refused('PFX format only supported for objectType: secret'),
      ),
    ),
    field(
      `objectEncoding of a ${type}, before its value`,
      { objectName: 'web', objectType: type, objectEncoding: 'utf-16' },
      refused('objectEncoding only supported for objectType: secret'),
    ),
  ]),
  ...['utf-8', 'UTF-8'].map((text) => field(`objectEncoding ${text}`, { objectEncoding: text }, mounted)),
  ...['hex', 'Hex'].map((text) =>
    field(`objectEncoding ${text}`, { objectName: 'hex', objectEncoding: text }, { files: { hex: '\0\ufffd\n' } }),
  ),
  ...['base64', 'BasE64'].map((text) =>
    field(`objectEncoding ${text}`, { objectName: 'b64', objectEncoding: text }, { files: { b64: '\0\ufffd\n' } }),
  ),
  field(
    'objectEncoding utf-16',
    { objectEncoding: 'utf-16' },
    refused('invalid objectEncoding: utf-16, should be hex, base64 or utf-8'),
  ),
  ...(
    [
      ['', 0o644],
      ['0755', 0o755],
      ['"0400"', 0o400],
      ['600', 0o600],
    ] as const
  ).map(([text, mode]) =>
    field(`filePermission ${text}`, { filePermission: text }, { ...mounted, modes: { db: mode } }),
  ),
  ...['0900', '900', 'rw-r--r--', '0o600', '-1', '01000'].map((text) =>
    field(
      `filePermission ${text}, unlike upstream`,
      { filePermission: text },
      refused(`invalid filePermission: ${text}`),
    ),
  ),
  field(
    'a field in another case',
    { objectalias: 'x' },
    refused('unknown field "objectalias"', 'did you mean objectAlias?'),
  ),
  field(
    'a mapping for a text',
    { objectAlias: '{a: b}' },
    refused('index 0, error: yaml: found a mapping, expected a text'),
  ),
  field('a list for a text', { objectAlias: '[a]' }, refused('index 0, error: yaml: found a list, expected a text')),
  field('a binary text', { objectName: '!!binary ZGI=' }, mounted),
  ...['~', 'null', 'Null', "''"].map((text) => field(`nothing, written ${text}`, { objectVersion: text }, mounted)),
  // A default reading of YAML would make numbers, dates and truths of these.
  ...['0755', '1e5', 'true', '2020-01-01', '0x1F', '1_000', `${'0'.repeat(30)}12`, '-0'].map((text) =>
    field(`objectAlias ${text} keeps its characters`, { objectAlias: text }, { files: { [text]: dbValue } }),
  ),
]

const rolling = ['rolling 3', 'rolling 1', 'rolling 0']
const history = (text: string, versions: number): Row =>
  field(
    `objectVersionHistory ${text}`,
    { objectName: 'rolling', objectVersionHistory: text },
    {
      files:
        versions === 1
          ? { rolling: 'rolling 3' }
          : Object.fromEntries(rolling.slice(0, versions).map((value, index) => [`rolling/${index}`, value])),
    },
  )
const noInteger = (text: string, found: string): Row =>
  field(
    `objectVersionHistory ${text} is invalid`,
    { objectVersionHistory: text },
    refused(`found ${found}, expected a plain number`),
  )

const histories: Row[] = [
  ...['', '~', '0', '1', '-5', '1.9', '01'].map((text) => history(text, 1)),
  ...['2', '2.9', '0b10', '02', '+2'].map((text) => history(text, 2)),
  ...['3', '200', '0x10', '0o17', '1_0', '1e1'].map((text) => history(text, 3)),
  ...['"5"', 'many', '2147483648'].map((text) => noInteger(text, JSON.stringify(text.replaceAll('"', '')))),
  noInteger('[1]', 'a list'),
  noInteger('{a: 1}', 'a mapping'),
]

const path = (alias: string, expect: Refused): Row => field(`objectAlias ${alias}`, { objectAlias: alias }, expect)

/** Two objects with these aliases. */
const together = (name: string, [one, two]: [string, string], expect: Refused): Row =>
  yaml(
    name,
    objectsOf(
      { objectName: 'db', objectType: 'secret', objectAlias: one },
      { objectName: 'json', objectType: 'secret', objectAlias: two },
    ),
    expect,
  )

const paths: Row[] = [
  field('an alias', { objectAlias: 'DB_PASSWORD' }, { files: { DB_PASSWORD: dbValue } }),
  field('an alias with folders', { objectAlias: 'dir/sub/name' }, { files: { 'dir/sub/name': dbValue } }),
  field('a backslash is a character', { objectAlias: 'a\\b' }, { files: { 'a\\b': dbValue } }),
  path('/secret1', refused('file name must be a relative path')),
  ...['secret1/..', '../secret1', 'a..b', 'x...', '..', 'a/../b'].map((alias) =>
    path(alias, refused("file name must not contain '..'")),
  ),
  // Upstream leaves these to the driver, which refuses them after everything was read.
  ...['./a', 'a//b', 'a/', 'a/./b'].map((alias) => path(alias, refused(`must be a clean path: found "${alias}"`))),
  yaml(
    'a history of an unclean alias is joined',
    objectsOf({ objectName: 'rolling', objectType: 'secret', objectAlias: 'a//b', objectVersionHistory: 2 }),
    { files: { 'a/b/0': 'rolling 3', 'a/b/1': 'rolling 1' } },
  ),
  together(
    'two objects in one file, unlike upstream',
    ['x', 'x'],
    refused('two objects are written to the same file "x"'),
  ),
  together(
    'a file that is also a folder, unlike upstream',
    ['x', 'x/y'],
    refused('"x" is a file and also the folder of "x/y"'),
  ),
]

const beyond: Row[] = [
  field('vault', { vault: 'other-vault' }, { files: { db: 'value-of-the-other-db' } }),
  field('a wrong vault', { vault: 'kv_' }, refused('Invalid vault name: "kv_"', 'objects[0].vault')),
  field('optional, and there', { optional: 'true' }, mounted),
  field('optional, and missing', { objectName: 'none', optional: 'true' }, nothing),
  field('optional, neither true nor false', { optional: 'perhaps' }, refused('objects[0].optional')),
  field('jsonPath', { objectName: 'json', jsonPath: '$.user', objectAlias: 'user' }, { files: { user: 'sa' } }),
  field(
    'jsonPath of a key',
    { objectName: 'rsa', objectType: 'key', jsonPath: '$.n' },
    refused('jsonPath only supported'),
  ),
  field('invalid jsonPath', { jsonPath: '"$..*"' }, refused('jsonPath')),
]

test('every form of objects, and every field of one, with every value that upstream accepts', (t) =>
  walk(t, [...documents, ...fields, ...histories, ...paths, ...beyond]))

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { textOf, wordOf } from '../../../test/support/text-of.ts'
import { type LintFinding, lint } from './lint.ts'
import { ruleEntries, ruleGroups } from './rules/index.ts'

const kubernetes = { major: 1, minor: 34 }

const classText = (objects: string, parameters = '') => `apiVersion: secrets-store.csi.x-k8s.io/v1
kind: SecretProviderClass
metadata: {name: app}
spec:
  provider: azure
  parameters:
    keyvaultName: shop
    tenantID: contoso.com
    clientID: 3f2504e0-4f89-11d3-9a0c-0305e82c3301
${parameters}    objects: ${objects}
`

const find = (text: string, name = 'a.yaml') => lint([{ name, text }], { kubernetes })
const shown = ({ id, line, column }: LintFinding) => `${id} ${line}:${column}`
const places = (text: string) => find(text).findings.map(shown)

test('a character at which only kubectl ends the line makes a file unreadable, but not JSON, which may have it in a text', () => {
  for (const character of ['\u0085', '\u2028', '\u2029', '\r']) {
    const hidden = `apiVersion: v1\nkind: ConfigMap # harmless${character}kind: Secret\nmetadata: {name: a}\n`
    const { findings } = find(hidden)
    assert.deepEqual(findings.map(shown), ['KL900 2:27'])
    assert.match(findings[0]?.message ?? '', /has U\+(0085|2028|2029|000D), at which kubectl ends the line/)
    const json = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' }, data: { a: character } }
    assert.deepEqual(find(JSON.stringify(json)).findings, [])
  }
  assert.deepEqual(find('apiVersion: v1\r\nkind: ConfigMap\r\nmetadata: {name: a}\r\n').findings, [])
})

describe('a finding inside objects is in its line and column', () => {
  const wrong = 'KL004 '
  const rows: [what: string, objects: string, place: string][] = [
    ['a block of blocks', '|\n      array:\n        - |\n          objectName: a\n          objectType: x', '14:11'],
    [
      'a block that begins with an empty line',
      '|\n\n      array:\n        - |\n\n          objectName: a\n          objectType: x',
      '16:11',
    ],
    [
      'a block with an indentation of its own',
      '|2\n        array:\n        - |\n            objectName: a\n            objectType: x',
      '14:13',
    ],
    ['a block that ends without line end', '|-\n      - objectName: a\n        objectType: x', '12:9'],
    ['entries as mappings', '|\n      - objectName: a\n        objectType: x', '12:9'],
    ['flow mappings', '|\n      [{objectName: a, objectType: x}]', '11:24'],
    ['a quoted text in one line', '"[{objectName: a, objectType: x}]"', '10:32'],
    ['a quoted text with escapes', '"- objectName: a\\n  objectType: x"', '10:14'],
    [
      'the second of two entries',
      '|\n      array:\n        - |\n          objectName: a\n          objectType: secret\n        - |\n          objectName: b\n          objectType: x',
      '17:11',
    ],
    [
      'an entry after a dangling dash',
      '|\n      array:\n        -\n        - |\n          objectName: b\n          objectType: x',
      '15:11',
    ],
    ['a field that is missing', '|\n      array:\n        - |\n          objectName: b', '13:11'],
    [
      'a path of a list of jsonPath',
      '|\n      - objectName: a\n        objectType: secret\n        jsonPath:\n          - path: $.a\n          - path: $.[\n            objectAlias: y',
      '15:13',
    ],
  ]
  for (const [what, objects, place] of rows) {
    test(what, () => assert.deepEqual(places(classText(objects)), [`${wrong}${place}`]))
    test(`${what}, with Windows line ends`, () =>
      assert.deepEqual(places(classText(objects).replaceAll('\n', '\r\n')), [`${wrong}${place}`]))
  }

  test('an error of the YAML in an entry is in the line of the error', () => {
    const objects = '|\n      array:\n        - |\n          objectName: a\n          objectType: "'
    assert.deepEqual(places(classText(objects)), ['KL003 14:11'])
  })

  test('an error of a template is in its line and column', () => {
    const template =
      '    templates: |\n      - fileName: a\n        template: |\n          one\n          two {{ .a }\n'
    assert.deepEqual(places(classText('"[{objectName: a, objectType: secret}]"', template)), ['KL004 14:21'])
  })

  test('of two objects in one file, the second', () => {
    const entry = (name: string) =>
      `        - |\n          objectName: ${name}\n          objectType: secret\n          objectAlias: x\n`
    assert.deepEqual(places(classText(`|\n      array:\n${entry('a')}${entry('b')}`)), ['KL004 19:11'])
  })
})

test('values for an outage that are older than they may be: only while the vault is polled rarely, and up to --serve-stale-max', () => {
  const operator = (vaults: string) => `---
apiVersion: v1
kind: Pod
metadata: {name: operator, namespace: kube-system}
spec:
  containers: [{name: operator, args: [operator, ${vaults}, --events-quiet-poll-interval=168h]}]
`
  const found = (stale: string, more = '') =>
    find(classText('"[{objectName: a, objectType: secret}]"', `    serveStaleFor: ${stale}\n`) + more)
      .findings.filter(({ id }) => id === 'KL503')
      .map(({ message }) => message)
  assert.deepEqual(found('1h'), [])
  assert.deepEqual(found('0s', operator('--events-vaults=shop')), [])
  assert.deepEqual(found('1h', operator('--events-vaults=other')), [])
  assert.deepEqual(found('1h', operator('--events-watch-vaults=shop=15s')), [
    'serveStaleFor is 1h, and the values are read every 168h (--events-quiet-poll-interval)',
  ])
  assert.deepEqual(found('200h', operator('--events-vaults=shop')), [
    'serveStaleFor is 200h (at most --serve-stale-max, 72h), and the values are read every 168h (--events-quiet-poll-interval)',
  ])
  assert.deepEqual(found('1m'), ['serveStaleFor is 1m, and the values are read every 2m (--rotation-poll-interval)'])
})

test('the interval of values for an outage is that of the driver, whatever flags of the same name other programs have', () => {
  const container = (...args: string[]) => `---
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: kube-system}
spec:
  containers: [{name: c, image: example.com/app, args: [${args.join(', ')}]}]
`
  const found = (...containers: string[]) =>
    find(classText('"[{objectName: a, objectType: secret}]"', '    serveStaleFor: 30m\n') + containers.join(''))
      .findings.filter(({ id }) => id === 'KL503')
      .map(({ message }) => message)
  const poll = (interval: string) => `--rotation-poll-interval=${interval}`
  const hourly = ['serveStaleFor is 30m, and the values are read every 1h (--rotation-poll-interval)']
  for (const program of ['driver', 'node'])
    assert.deepEqual(found(container(program, poll('1h')), container('sync', poll('2m'))), hourly)
  assert.deepEqual(found(container('driver', poll('2m')), container('sync', poll('1h'))), [])
  assert.deepEqual(found(container(poll('1h'))), [])
  assert.deepEqual(found(container('serve', '--serve-stale-for=1m', '--serve-stale-max=1m')), [])
  assert.deepEqual(found(container('provider', '--serve-stale-for=1m')), [
    '--serve-stale-for is 1m, and the values are read every 2m (--rotation-poll-interval)',
  ])
})

describe('what is read', () => {
  const bad = classText('|\n      - objectName: a\n        objectType: x')

  test('many documents, each with its lines', () => {
    const { findings, objects } = find(`${bad}---\n${bad}`)
    assert.deepEqual(
      [findings.map(({ line, id }) => `${id} ${line}`), objects],
      [['KL004 12', 'KL012 16', 'KL004 25'], 2],
    )
  })

  test('the items of a List', () => {
    const list = `apiVersion: v1\nkind: List\nitems:\n- ${bad.trimEnd().replaceAll('\n', '\n  ')}\n`
    assert.deepEqual(places(list), ['KL004 15:11'])
  })

  test('JSON', () => {
    const spec = {
      provider: 'azure',
      parameters: { keyvaultName: 'shop', tenantID: 'x', objects: '[{objectName: a, objectType: x}]' },
    }
    const object = {
      apiVersion: 'secrets-store.csi.x-k8s.io/v1',
      kind: 'SecretProviderClass',
      metadata: { name: 'a' },
      spec,
    }
    assert.deepEqual(places(JSON.stringify(object, undefined, 2)), ['KL004 12:36'])
  })

  test('anchors, aliases and merge keys', () => {
    const text = `${classText('*objects').replace('metadata: {name: app}', 'metadata:\n  name: app\n  annotations:\n    x: &objects "[{objectName: a, objectType: x}]"')}`
    assert.deepEqual(places(text), ['KL004 6:35'])
  })

  test('booleans as Kubernetes reads them', () => {
    assert.deepEqual(places(classText('"[{objectName: a, objectType: secret}]"', '    usePodIdentity: no\n')), [
      'KL001 10:5',
    ])
  })

  test('other documents are skipped', () => {
    const { findings, objects } = find('name: values\nkind: 3\n---\n- a\n---\njust text\n---\n')
    assert.deepEqual([findings, objects], [[], 0])
  })

  test('a key that is there twice', () => {
    assert.deepEqual(
      places(classText('"[{objectName: a, objectType: secret}]"', '    clientID: x\n')).filter((one) =>
        one.startsWith('KL011'),
      ),
      ['KL011 10:5'],
    )
  })

  test('placeholders are not checked', () => {
    const variable = ['$', '{NAME}'].join('')
    const text = classText(
      '|\n      - objectName: PLACEHOLDER\n        objectType: secret\n      - objectName: <name>\n        objectType: secret',
    )
    assert.deepEqual(
      places(
        text.replace('PLACEHOLDER', variable).replace('shop', `${variable}-kv`).replace('contoso.com', '<tenant>'),
      ),
      [],
    )
  })
})

describe('templates of a class are checked, although they look like placeholders', () => {
  const withTemplate = (text: string, objects = '"[{objectName: db-url, objectType: secret}]"') =>
    classText(objects, `    templates: |\n      - fileName: a\n        template: |\n          one\n          ${text}\n`)
  const variable = ['$', '{NAME}'].join('')

  const wrong: [what: string, text: string, place: string, message: RegExp][] = [
    [
      'a name that no object gives',
      'x={{ .db_ulr }}',
      'KL004 14:16',
      /no object of the class is "db_ulr"; did you mean db_url\?/,
    ],
    ['a function that does not exist', '{{ .db_url | quot "properties" }}', 'KL004 14:24', /quot/],
    ['a statement that is not supported', '{{ with .db_url }}{{ end }}', 'KL004 14:14', /with is not supported/],
  ]
  for (const [what, text, place, message] of wrong)
    test(what, () => {
      const { findings } = find(withTemplate(text))
      assert.deepEqual(findings.map(shown), [place])
      assert.match(findings[0]?.message ?? '', message)
    })

  test('what the provider accepts has no finding', () => {
    assert.deepEqual(places(withTemplate('{{ if .db_url }}{{ .db_url }}{{ end }} $HOME <a>')), [])
  })

  test('names that are filled in later are not checked', () => {
    const objects = `"[{objectName: ${variable}-url, objectType: secret}]"`
    assert.deepEqual(places(withTemplate('{{ .db_url }}', objects)), [])
    assert.deepEqual(places(withTemplate(`{{ index . "${variable}" }}`)), [])
    assert.deepEqual(places(withTemplate('{{ quot }}', objects)), ['KL004 14:14'])
  })

  test('a chart that is not rendered is not checked in the other parameters', () => {
    const text = withTemplate('{{ .db_url }}').replace('shop', '"{{ .Values.vault }}"')
    assert.deepEqual(places(text), [])
  })
})

test('a SecretSync that writes the fallback Secret has a key for each file of the class', () => {
  const objects =
    '"[{objectName: a, objectType: secret, objectAlias: db/url}, {objectName: b, objectType: secret, optional: true}]"'
  const both = (key: string) =>
    `${classText(objects, '    fallbackSecretName: spare\n')}---
apiVersion: secret-sync.x-k8s.io/v1alpha1
kind: SecretSync
metadata: {name: spare}
spec:
  secretProviderClassName: app
  serviceAccountName: app
  secretObject:
    type: Opaque
    data:
      - {sourcePath: db/url, targetKey: ${key}}
`
  assert.deepEqual(places(both('db.url')), [])
  const [finding, ...others] = find(both('url')).findings
  assert.deepEqual([finding?.id, finding?.severity, finding?.line, others], ['KL213', 'error', 21, []])
  assert.match(finding?.message ?? '', /class "app" .* lacks the key "db\.url" \(file "db\/url"\)$/)
})

test('the first error that makes a class unreadable names what is not checked because of it', () => {
  const messages = find(classText('"[{objectName: a, objectType: x}, {objectName: b, objectType: x}]"')).findings
  const unchecked = /until this is fixed, the files, .* are not checked/
  assert.deepEqual(
    messages.map(({ message }) => unchecked.test(message)),
    [true, false],
  )
  const readable = find(classText('"[{objectName: a, objectType: secret, objectVersion: \\"1\\"}]"')).findings
  assert.deepEqual(
    readable.map(({ message }) => unchecked.test(message)),
    [false],
  )
})

describe('comments turn rules off', () => {
  const objects = (before: string, after = '') =>
    classText(
      `|\n      array:\n        - |\n          objectName: a\n${before}          objectType: secret\n          objectVersion: "1"${after}`,
    )

  test('in the same line, and in the next', () => {
    assert.deepEqual(places(objects('')), ['KL009 15:11'])
    assert.deepEqual(places(objects('', ' # keymount-lint: ignore KL009 pinned on purpose')), [])
    const above = classText(
      '|\n      - objectName: a\n        objectType: secret\n        # keymount-lint: ignore KL009 pinned\n        objectVersion: "1"',
    )
    assert.deepEqual(places(above), [])
  })

  test('before a document, for all of it; and not for the next one', () => {
    const comment = '# keymount-lint: ignore KL009, KL012 pinned on purpose\n'
    assert.deepEqual(places(`${comment}${objects('')}`), ['KL902 1:1'])
    assert.deepEqual(
      places(`${comment}${objects('')}---\n${objects('')}`).filter((one) => one.startsWith('KL009')),
      ['KL009 32:11'],
    )
  })

  test('above a field, for what is nested below it', () => {
    const text = objects('').replace('    objects:', '    # keymount-lint: ignore KL009 pinned\n    objects:')
    assert.deepEqual(places(text), [])
  })

  test('beyond 500 of a file they are reported, and have no effect', () => {
    const found = find('# keymount-lint: ignore KL004 none\n'.repeat(100_000)).findings
    assert.equal(found.length, 501)
    assert.deepEqual(
      found.filter(({ id }) => id === 'KL901').map(({ line }) => line),
      [501],
    )
  })

  test('without a reason, with an unknown rule, and without effect they are reported', () => {
    for (const words of ['KL009', 'KL009,', 'KL009, KL999', 'KL009 -'])
      assert.deepEqual(places(objects('', ` # keymount-lint: ignore ${words}`)), ['KL901 15:1', 'KL009 15:11'], words)
    assert.deepEqual(places(objects('', ' # keymount-lint: ignore KL999 because')), ['KL901 15:1', 'KL009 15:11'])
    assert.deepEqual(places(`# keymount-lint: off\n${objects('')}`), ['KL901 1:1', 'KL009 16:11'])
    assert.deepEqual(places(objects('', ' # keymount-lint: ignore KL004 none')), ['KL902 15:1', 'KL009 15:11'])
  })
})

test('what is wrong with a comment is a sentence', () => {
  const messageOf = (words: string) =>
    find(`# keymount-lint: ${words}\nkind: x\napiVersion: v1\n`).findings.map(({ message }) => message)
  const prefix = 'the comment'
  assert.deepEqual(messageOf('ignore KL999 because'), [`${prefix} names KL999, which is not a rule`])
  assert.deepEqual(messageOf('ignore KL103'), [`${prefix} gives no reason for ignoring KL103, so it has no effect`])
  assert.deepEqual(messageOf('ignore because'), [`${prefix} names no rule`])
  assert.deepEqual(messageOf('off'), [`${prefix} has "off", expected "ignore"`])
})

describe('what cannot be read is an error with its place', () => {
  const rows: [what: string, text: string, message: RegExp][] = [
    ['no YAML', 'a: [1\nb: 2\n', /^is not valid YAML: /],
    ['a template', 'a: {{ .Values.x }}\n{{- end }}\n', /it looks like a template: check the chart with --helm$/],
    ['a NUL', 'a\0b', /^is not text: found a NUL character/],
    ['brackets without end', '['.repeat(100_000), /is nested too deeply|is not valid YAML/],
    ['deep nesting', `${'- '.repeat(5000)}x`, /nested too deeply|nesting of a document/],
    [
      'a deep mapping',
      `kind: x\napiVersion: v1\na: ${'{a: '.repeat(200)}1${'}'.repeat(200)}`,
      /nesting of a document: found 101, at most 100/,
    ],
    [
      'an alias without anchor',
      'kind: x\napiVersion: v1\na: *b\n',
      /the alias \*b has no anchor before it|Unresolved alias/,
    ],
    ['an alias to itself', 'kind: x\napiVersion: v1\na: &b [*b]\n', /nesting of a document/],
    [
      'aliases that multiply',
      `kind: x\napiVersion: v1\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n${Array.from({ length: 9 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(10)}]`).join('\n')}\n`,
      /YAML values of a document, aliases resolved: found 200,001, at most 200,000/,
    ],
    ['errors without end', ']\n'.repeat(200_000), /is not valid YAML: Unexpected flow-seq-end/],
    ['too many bytes', `a: ${'x'.repeat(9 * 1024 * 1024)}`, /size of a file/],
    ['too many tokens', '- a\n'.repeat(800_000), /YAML tokens of a file: found 1,500,001/],
  ]
  for (const [what, text, message] of rows) {
    test(what, () => {
      const { findings, unreadable } = find(text)
      assert.ok(unreadable)
      assert.ok(findings.length >= 1 && findings.length <= 11, `${findings.length} findings`)
      assert.equal(findings[0]?.id, 'KL900')
      assert.match(findings.map((one) => one.message).join('\n'), message)
    })
  }
})

test('lint() finds, and never throws, whatever the text is; every place is inside the file', () => {
  const spaced = fc.constantFrom('a: ', '- ', '\n', '  ', '&a ', '# keymount-lint: ignore KL004')
  const texts = textOf(fc.oneof(spaced, wordOf('| " objects[0] { } [ *a x')), { maxLength: 30 })
  fc.assert(
    fc.property(texts, fc.boolean(), (pieces, inside) => {
      const text = inside ? classText(`|\n      ${pieces.replaceAll('\n', '\n      ')}`) : pieces
      const lines = text.split('\n')
      for (const { line, column } of find(text).findings) {
        assert.ok(line >= 1 && line <= lines.length, `${line} of ${lines.length}`)
        assert.ok(column >= 1 && column <= (lines[line - 1] ?? '').length + 1)
      }
    }),
    { numRuns: 500 },
  )
})

test('any fields of any kind are checked without an exception', () => {
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom('app', 'azure', 'secrets-store.csi.k8s.io', true, 3, null, ''),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom(
          'spec',
          'template',
          'containers',
          'volumes',
          'csi',
          'driver',
          'volumeAttributes',
          'secretProviderClass',
          'env',
          'valueFrom',
          'secretKeyRef',
          'name',
          'key',
          'metadata',
          'annotations',
          'data',
          'secretObjects',
          'secretObject',
          'parameters',
          'tls',
          'listeners',
        ),
        tie('value'),
      ),
    ),
  })).value
  const kinds = fc.constantFrom(
    'Pod',
    'Deployment',
    'SecretProviderClass',
    'SecretSync',
    'Secret',
    'ServiceAccount',
    'Ingress',
    'Gateway',
    'CSIDriver',
  )
  fc.assert(
    fc.property(fc.array(fc.tuple(kinds, value, value), { maxLength: 4 }), (objects) => {
      const text = objects
        .map(([kind, spec, metadata]) => JSON.stringify({ apiVersion: 'v1', kind, metadata, spec }))
        .join('\n---\n')
      find(text)
    }),
    { numRuns: 300 },
  )
})

test('every rule has an id of its group, a title, and texts without a full stop at the end of what is right', () => {
  assert.ok(ruleEntries.length >= 40, `${ruleEntries.length} rules`)
  for (const [id, { title, why, right }] of ruleEntries) {
    assert.match(id, new RegExp(`^KL[0-${ruleGroups.length - 1}]\\d\\d$`))
    assert.ok(title.length > 5 && title.length <= 50, title)
    assert.match(why, /\.$/)
    assert.doesNotMatch(right, /\.$/)
  }
})

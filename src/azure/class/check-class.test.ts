import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { checkClass } from './check-class.ts'
import { Findings, formatFinding } from './finding.ts'

const objects = `
array:
  - |
    objectName: db
    objectType: secret
  - |
    objectName: cert
    objectType: secret
    objectAlias: tls/server
  - |
    objectName: old
    objectType: key
    objectVersionHistory: 3
`
const parameters = { keyvaultName: 'vault', tenantID: 'tenant', clientID: 'client', objects }

function classWith(changed: Record<string, unknown>, spec: object = {}) {
  return { spec: { provider: 'azure', parameters: { ...parameters, ...changed }, ...spec } }
}

const lines = (object: unknown) => checkClass(object).map(formatFinding)

test('a correct class has no findings', () => {
  assert.deepEqual(lines(classWith({})), [])
  const everything = {
    usePodIdentity: 'false',
    syncInterval: '5m',
    fileOwner: '1000:2000',
    serveStaleFor: '0s',
    fallbackKeyvaultName: 'vault-west',
    fallbackSecretName: 'app.fallback-1',
    'secrets-store.csi.k8s.io/x': '1',
    resourceGroup: 'of an old release',
  }
  assert.deepEqual(lines(classWith(everything)), [])
})

describe('problems that no pod can mount', () => {
  const rows: [what: string, changed: Record<string, unknown>, line: string | RegExp][] = [
    [
      'a misspelt parameter',
      { keyvaultname: 'vault', keyvaultName: undefined },
      'spec.parameters: keyvaultName is not provided (found "keyvaultname"; did you mean keyvaultName?)',
    ],
    [
      'a misspelt optional parameter',
      { clientId: 'x' },
      'spec.parameters: unknown parameter "clientId" (did you mean clientID?)',
    ],
    [
      'a vault name that is too short',
      { keyvaultName: 'v' },
      /^spec.parameters: failed to get vault: Invalid vault name: "v"/,
    ],
    ...['https://shop.vault.azure.net/', 'shop.vault.azure.net', 'https://shop.vault.azure.net:443/secrets'].map(
      (keyvaultName): [string, Record<string, unknown>, RegExp] => [
        `the address ${keyvaultName} instead of the name of a vault`,
        { keyvaultName },
        /^spec.parameters: failed to get vault: .* \(keyvaultName; expected its name alone: shop\)$/,
      ],
    ),
    [
      'bad YAML in objects',
      { objects: 'array:\n  - |\n   a: "' },
      /^spec.parameters: unmarshal failed for keyVaultObjects at index 0, error: yaml: /,
    ],
    [
      'objects that are not YAML',
      { objects: '{' },
      /^spec.parameters: failed to yaml unmarshal objects, error: yaml: /,
    ],
    [
      'an alias outside the volume',
      { objects: 'array:\n  - |\n    objectName: a\n    objectType: secret\n    objectAlias: ../../etc/x\n' },
      /file name must not contain '..' \(objects\[0\]\)$/,
    ],
    [
      'a type that does not exist',
      { objects: 'array:\n  - |\n    objectName: a\n    objectType: secrets\n' },
      /found "secrets"; did you mean secret\?/,
    ],
    [
      'a number in quotes',
      { objects: 'array:\n  - |\n    objectName: a\n    objectType: secret\n    objectVersionHistory: "3"\n' },
      /found "3", expected a plain number/,
    ],
    [
      'no object',
      { objects: 'array: []' },
      'spec.parameters.objects: has no entry: a volume needs at least one object',
    ],
    [
      'two identities at once',
      { usePodIdentity: 'true', useVMManagedIdentity: 'true' },
      /^spec.parameters: only one identity mode can be enabled at a time/,
    ],
    ['a flag that is not a boolean', { usePodIdentity: 'yes' }, /failed to parse usePodIdentity flag/],
    ['a tenant with a slash', { tenantID: 'a/b' }, /^spec.parameters: invalid tenantID: found "a\/b"/],
    ['an unknown cloud', { cloudName: 'Moon' }, /^spec.parameters: cloudName Moon is not valid/],
    ['a file owner that is not an id', { fileOwner: 'root' }, /^spec.parameters.fileOwner: found "root"/],
    [
      'an interval below a second',
      { syncInterval: '10ms' },
      /^spec.parameters.syncInterval: found "10ms", expected a duration of 1s/,
    ],
    [
      'a time for old values that is not a duration',
      { serveStaleFor: '-1h' },
      'spec.parameters: serveStaleFor: found "-1h", expected a duration such as 24h, or 0s for never',
    ],
    [
      'the vault itself as its fallback',
      { fallbackKeyvaultName: 'VAULT' },
      /^spec.parameters: fallbackKeyvaultName: found "VAULT", which is keyvaultName; expected another vault/,
    ],
    [
      'the address of a fallback vault',
      { fallbackKeyvaultName: 'https://shop-west.vault.azure.net' },
      /\(fallbackKeyvaultName; expected its name alone: shop-west\)$/,
    ],
    [
      'a fallback Secret that cannot have this name',
      { fallbackSecretName: 'App' },
      /^spec.parameters.fallbackSecretName: found "App", expected lower case letters/,
    ],
    [
      'a value that is not a text',
      { usePodIdentity: false },
      'spec.parameters.usePodIdentity: found a boolean, expected a text: put quotes around false',
    ],
  ]
  for (const [what, changed, line] of rows) {
    test(what, () => {
      const [found, ...more] = lines(classWith(changed)).filter((text) => text.startsWith('no pod can mount it: '))
      assert.deepEqual(more, [])
      const text = found?.replace('no pod can mount it: ', '') ?? ''
      if (typeof line === 'string') assert.equal(text, line)
      else assert.match(text, line)
    })
  }

  test('a class without provider and parameters, whatever else it is', () => {
    const missing = [
      'no pod can mount it: spec.provider: missing: it names the provider, for example azure',
      'no pod can mount it: spec.parameters: missing: it lists what the provider reads',
    ]
    for (const object of [undefined, null, {}, { spec: null }, { spec: {} }]) assert.deepEqual(lines(object), missing)
    assert.match(lines({ spec: 'x' }).join(), /spec: found string, expected fields/)
  })

  test('a provider in another case', () => {
    assert.match(lines({ spec: { provider: 'Azure', parameters } }).join(), /found "Azure"; did you mean azure\?/)
  })
})

describe('remarks', () => {
  const rows: [what: string, changed: Record<string, unknown>, line: RegExp][] = [
    ['no tenant', { tenantID: '' }, /^spec.parameters.tenantID: missing: pods can only mount the class if /],
    [
      'an identity that is not switched on',
      { userAssignedIdentityID: 'x' },
      /^spec.parameters.userAssignedIdentityID: has no effect without useVMManagedIdentity/,
    ],
    [
      'a parameter of another program',
      { colour: 'blue' },
      /^spec.parameters.colour: is not a parameter of this provider/,
    ],
  ]
  for (const [what, changed, line] of rows) {
    test(`${what} is remarked on, and fails nothing`, () => {
      const findings = checkClass(classWith(changed))
      assert.deepEqual(
        findings.map(({ fails }) => fails),
        [undefined],
      )
      assert.match(findings.map(formatFinding).join(), line)
    })
  }
})

describe('secretObjects', () => {
  const secretOf = (data: object[], rest: object = {}) =>
    lines(classWith({}, { secretObjects: [{ secretName: 's', type: 'Opaque', data, ...rest }] }))
  const named = (objectName: string) => secretOf([{ objectName, key: 'k' }])

  test('may name every file of the class: by alias, by name, by version, and the halves of a certificate', () => {
    for (const name of ['db', 'tls/server', 'tls/server.crt', 'tls/server.key', 'old/0', 'old/2'])
      assert.deepEqual(named(name), [], name)
  })

  test('that name a file which the class does not have are a problem, with the name that was meant', () => {
    const start = 'a Secret will be missing: spec.secretObjects[0].data[0].objectName: '
    assert.equal(
      named('dbb')[0],
      `${start}"dbb" is not a file of this class: an object is named by its objectAlias, or its objectName without one (did you mean db?)`,
    )
    for (const name of ['cert', 'old', 'old/3', 'old/x', 'db/0', 'completely different'])
      assert.ok(named(name)[0]?.startsWith(`${start}"${name}" is not a file of this class`), name)
    assert.match(named('completely different')[0] ?? '', /\(the class has db, tls\/server, old\/0\)$/)
  })

  test('are not compared with the files of a class that has problems', () => {
    const secretObjects = [{ secretName: 's', data: [{ objectName: 'x', key: 'k' }] }]
    assert.equal(lines(classWith({ objects: '{' }, { secretObjects })).length, 1)
    assert.deepEqual(lines({ spec: { provider: 'vault', parameters: { any: 'thing' }, secretObjects } }), [])
  })

  test('name each Secret once, and each key of a Secret once', () => {
    const row = { objectName: 'db', key: 'A' }
    const entry = { secretName: 's', data: [row] }
    const start = 'a Secret will be missing: spec.secretObjects'
    assert.deepEqual(lines(classWith({}, { secretObjects: [entry, { ...entry, secretName: ' s ' }] })), [
      `${start}[1].secretName: "s" is the name of spec.secretObjects[0] already; put all keys into one entry`,
    ])
    assert.deepEqual(secretOf([row, { ...row, key: 'B' }, row]), [
      `${start}[0].data[2].key: "A" is the key of data[0] already`,
    ])
  })

  test('need a name, a key, and a type that gives no rights', () => {
    const rights = { secretName: '', type: 'kubernetes.io/service-account-token' }
    const start = 'a Secret will be missing: spec.secretObjects[0]'
    assert.deepEqual(secretOf([{ objectName: '', key: '' }], rights), [
      `${start}.secretName: missing`,
      `${start}.type: kubernetes.io/service-account-token is not allowed: Kubernetes gives such a Secret rights`,
      `${start}.data[0].key: missing`,
      `${start}.data[0].objectName: missing`,
    ])
    assert.deepEqual(secretOf([]), [`${start}.data: missing: give at least one objectName and key`])
    assert.match(
      secretOf([{ objectName: 'db', key: 'crt' }], { type: 'kubernetes.io/tls' }).join(),
      /found "crt": a kub/,
    )
  })
})

describe('fallbackSecretName', () => {
  const keysOf = (aliases: readonly string[]) => {
    const entries = aliases.map((alias) => `  - {objectName: a, objectType: secret, objectAlias: "${alias}"}\n`)
    return lines(classWith({ fallbackSecretName: 's', objects: `array:\n${entries.join('')}` }))
  }
  const start = 'a Secret will be missing: spec.parameters.fallbackSecretName: '

  test('takes files whose names are different with "." for "/"', () => assert.deepEqual(keysOf(['a/b', 'b']), []))

  test('takes no two files with one key', () => {
    assert.deepEqual(keysOf(['a/b', 'a.b']), [`${start}files "a/b" and "a.b" have the same key "a.b"`])
  })

  test('takes no file whose name cannot be a key', () => {
    assert.deepEqual(keysOf(['a b']), [`${start}file "a b": "a b" cannot be the key of a Secret`])
  })
})

test('checkClass() has findings for any input, and never throws', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), fc.string(), (spec, secretObjects, text) => {
      checkClass(spec)
      checkClass({ spec })
      checkClass(classWith({ objects: text, [text]: text }, { secretObjects }))
      checkClass({ spec: { provider: 'azure', parameters: spec, secretObjects: [spec, { data: [spec] }] } })
    }),
  )
})

describe('a class beyond a limit is refused without work that grows with it', () => {
  const many = (count: number, value: (i: number) => string) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [value(i), 'x']))
  const entry = (i: number) => `  - {objectName: s${i}, objectType: secret}\n`
  const rows: [what: string, changed: Record<string, unknown>, line: RegExp][] = [
    [
      'parameters',
      many(20_000, (i) => `parameter${i}`),
      /parameters of a class: found 20,004, at most 64 are accepted/,
    ],
    ['misspelt parameters', many(8000, (i) => `keyvaultNam${i}`), /parameters of a class: found 8,004/],
    ['a long name', { ['k'.repeat(200_000)]: 'x' }, /length of the name of a parameter: found 200,000 characters/],
    ['bytes', { x: 'x'.repeat(300_000) }, /names and values of all parameters of a class: found 300,/],
    [
      'objects',
      { objects: `array:\n${Array.from({ length: 501 }, (_, i) => entry(i)).join('')}` },
      /objects of a class: found 501, at most 500/,
    ],
    [
      'versions',
      { objects: 'array:\n  - {objectName: a, objectType: secret, objectVersionHistory: 1001}\n' },
      /files of a class \(objects × objectVersionHistory × jsonPath entries\): found 1,001, at most 1,000/,
    ],
    [
      'fields',
      { objects: `array:\n  - {${Array.from({ length: 40 }, (_, i) => `f${i}: x`).join(', ')}}\n` },
      /fields of one object: found 40, at most 32/,
    ],
    [
      'keys of a mapping',
      { objects: Array.from({ length: 20_000 }, (_, i) => `k${i}: x`).join('\n') },
      /document contains excessive aliasing or nesting|YAML tokens of the objects parameter/,
    ],
    [
      'nesting',
      { objects: '['.repeat(100_000) },
      /YAML tokens of the objects parameter: found 40,001, at most 40,000 are accepted/,
    ],
  ]
  for (const [what, changed, line] of rows) {
    test(what, () => {
      const found = lines(classWith(changed))
      assert.match(found.join('\n'), line)
      assert.ok(found.length <= 51, `${found.length} findings`)
      assert.ok(found.join('').length < 110_000)
    })
  }

  test('secretObjects', () => {
    const data = Array.from({ length: 2000 }, (_, i) => ({ objectName: `no-such-file-${i}`, key: 'k' }))
    const secretObjects = Array.from({ length: 2000 }, (_, i) => ({ secretName: `s${i}`, type: 'Opaque', data }))
    const found = lines(classWith({}, { secretObjects }))
    assert.match(found.join('\n'), /spec.secretObjects: secretObjects of a class: found 2,000, at most 100/)
    assert.match(found.at(-1) ?? '', /^and \d+ more$/)
    assert.equal(found.length, 51)
  })
})

test('one slip is one error: a name in another case does not make its value missing as well', () => {
  const rows: [parameters: Record<string, string>, errors: RegExp[]][] = [
    [
      { objects: 'array:\n  - |\n    ObjectName: a\n    objectType: secret\n' },
      [/unknown field "ObjectName".*objectName\?/],
    ],
    [
      { objects: 'array:\n  - |\n    objectName: a\n    objectType: Secret\n    objectFormat: pfx\n' },
      [/did you mean secret\?/],
    ],
    [{ objects: 'array:\n  - |\n    objectName: [a]\n    objectType: secret\n' }, [/found a list, expected a text/]],
    [{ objects: 'array:\n  - |\n    objectType: secret\n' }, [/parameter name cannot be empty/]],
    [
      { objects: 'objectName: a\nobjectType: secret\n' },
      [/found objectName without a list around it, expected "array:"/],
    ],
    [
      { objects: 'Array:\n  - |\n    objectName: a\n    objectType: secret\n' },
      [/found the field "Array", expected "array:"/],
    ],
    [{ tenantID: '', TenantID: 'contoso.com' }, [/unknown parameter "TenantID" \(did you mean tenantID\?\)/]],
  ]
  for (const [change, errors] of rows) {
    const found = checkClass({ spec: { provider: 'azure', parameters: { ...parameters, ...change } } }).map(
      formatFinding,
    )
    assert.equal(found.length, errors.length, found.join('\n'))
    for (const [index, error] of errors.entries()) assert.match(found[index] ?? '', error)
  }
})

describe('templates and selects', () => {
  const template = (text: string, more = '') =>
    `- fileName: app.properties\n  template: ${JSON.stringify(text)}\n${more}`
  const rows: [what: string, changed: Record<string, string>, line: RegExp][] = [
    [
      'a template that is not one, with line and column',
      { templates: template('a\n{{ .db | uper }}') },
      /^no pod can mount it: spec.parameters.templates\[0\].template: line 2, column 10: there is no function "uper"; did you mean upper\?/,
    ],
    [
      'a name that no object gives',
      { templates: template('{{ .dbb }}') },
      /^no pod can mount it: spec.parameters.templates\[0\].template: line 1, column 4: no object of the class is "dbb"; did you mean db\?/,
    ],
    [
      'an exact name that no object gives',
      { templates: template('{{ index "tls/serve" }}') },
      /line 1, column 10: no object of the class is "tls\/serve"; did you mean tls\/server\?/,
    ],
    [
      'a name that is never true',
      { templates: template('{{ if .nope }}x{{ end }}') },
      /^spec.parameters.templates\[0\].template: line 1, column 7: no object/,
    ],
    [
      'a set without a select',
      { templates: template('{{ selected "app" | json }}') },
      /no entry of objects has select.name "app"/,
    ],
    [
      'the file of an object',
      { templates: template('x').replace('app.properties', 'db') },
      /templates: "db" is the file of two entries/,
    ],
    [
      'a field that templates do not have',
      { templates: template('x', '  mode: "0400"\n') },
      /templates\[0\]: unknown field "mode"/,
    ],
    ['a list of nothing', { templates: 'app.properties' }, /failed to yaml unmarshal templates.*expected a list/],
    [
      'only without templates',
      { objects: '- { objectName: a, objectType: secret, only: templates }' },
      /objects\[0\].only: found templates, but the class has no templates/,
    ],
    [
      'a field of select without it',
      { objects: '- { objectName: a, objectType: secret, limit: 5 }' },
      /limit needs select/,
    ],
    [
      'a misspelt field of select',
      { objects: '- { select: { namePatern: a } }' },
      /objects\[0\].select: unknown field "namePatern"; did you mean namePattern\?/,
    ],
    [
      'two sets of one name',
      { objects: '- { select: { all: true, name: a } }\n- { select: { all: true, name: a } }' },
      /"a" is the name of objects\[0\] already/,
    ],
    [
      'more selects than a class may have',
      { objects: '- { select: { all: true } }\n'.repeat(21) },
      /entries of a class with select: found 21, at most 20/,
    ],
    [
      'more templates than a class may have',
      { templates: template('x').repeat(21) },
      /templates of a class: found 21, at most 20/,
    ],
    [
      'more words than all templates may have',
      { templates: `${template('{{ .db }}'.repeat(3000))}${template('{{ .db }}'.repeat(3000)).replace('app', 'b')}` },
      /words, symbols and texts of all templates/,
    ],
  ]
  for (const [what, changed, line] of rows) {
    test(`${what} is found`, () => {
      const found = lines(classWith(changed))
      assert.ok(
        found.some((one) => line.test(one)),
        found.join('\n'),
      )
    })
  }

  test('a class with selects and templates has no findings, whatever names its templates and Secrets have', () => {
    const more =
      '- { select: { name: app, namePattern: app-.* } }\n- { objectName: db, objectType: secret, only: templates }\n'
    const changed = {
      objects: more,
      templates: template('{{ .anything }}{{ selected "app" | json }}'),
      syncAll: 'true',
    }
    const secretObjects = [
      { secretName: 's', type: 'Opaque', data: [{ objectName: '*', key: '{file}' }] },
      { secretName: 't', type: 'Opaque', data: [{ objectName: 'app-anything', key: 'a' }] },
      { secretName: 'u', type: 'Opaque', data: [{ objectName: 'app.properties', key: 'a' }] },
    ]
    assert.deepEqual(lines(classWith(changed, { secretObjects })), [])
  })

  test('every file into a Secret needs syncAll and a key with {file}', () => {
    const secretObjects = (key: string, type = 'Opaque') => [
      { secretName: 's', type, data: [{ objectName: '*', key }] },
    ]
    const one = (changed: Record<string, string>, objects: unknown) =>
      lines(classWith(changed, { secretObjects: objects })).join('\n')
    assert.match(one({}, secretObjects('{file}')), /every file needs the parameter syncAll: "true"/)
    assert.match(
      one({ syncAll: 'true' }, secretObjects('all')),
      /data\[0\].key: found "all": a key of every file has \{file\} once/,
    )
    assert.match(
      one({ syncAll: 'true' }, secretObjects('{file}', 'kubernetes.io/tls')),
      /a kubernetes.io\/tls Secret has/,
    )
    assert.equal(one({ syncAll: 'true' }, secretObjects('APP_{file}')), '')
  })

  test('keys for every file of a class count for each file that it names', () => {
    const objects = Array.from({ length: 40 }, (_, index) => `- { objectName: o${index}, objectType: secret }`).join(
      '\n',
    )
    const data = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ objectName: '*', key: `k${index}-{file}` }))
    const found = (count: number) => {
      const secretObjects = ['s', 't'].map((secretName) => ({ secretName, type: 'Opaque', data: data(count) }))
      return lines(classWith({ objects, syncAll: 'true' }, { secretObjects })).join('\n')
    }
    assert.equal(found(12), '')
    assert.match(found(13), /spec\.secretObjects: data entries of all secretObjects .* found 1,040, at most 1,000/)
  })
})

describe('unknown names of templates', () => {
  const template = (text: string) => `- fileName: f\n  template: '${text}'`
  const names = (count: number) => Array.from({ length: count }, (_, index) => `${'a'.repeat(43)}${index}`)

  test('a set that no select has is reported once, and no more than 20 of them', () => {
    const set = (name: string) => `{{ selected "${name}" | json }}`
    const same = lines(classWith({ templates: template(set('nope').repeat(1000)) }))
    assert.equal(same.length, 1)
    const many = lines(classWith({ templates: template(names(1000).map(set).join('')) }))
    assert.equal(many.length, 21)
    assert.match(many.at(-1) ?? '', /more names that no entry of objects has as select.name, beside these 20/)
  })

  test('a name that no object gives is reported once where it is needed, and once where it may be absent', () => {
    const text = `${'{{ .nope }}'.repeat(1000)}${'{{ if .nope }}{{ end }}'.repeat(500)}`
    assert.equal(lines(classWith({ templates: template(text) })).length, 2)
  })

  test('hints end once they cost enough, and those of a class of usual names do not', () => {
    const hints = (name: string, list: readonly string[]) => {
      const findings = new Findings()
      return Array.from({ length: 1000 }, () => findings.nearest(name, list)).filter((near) => near !== undefined)
        .length
    }
    const long = Array.from({ length: 1000 }, (_, index) => `${'a'.repeat(90)}${index}`)
    assert.ok(hints('a'.repeat(92), long) <= 3)
    assert.equal(hints('db-pasword', ['db-password', 'db-url', 'tls/server']), 1000)
  })
})

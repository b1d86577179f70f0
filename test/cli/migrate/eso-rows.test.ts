/** What each field of an ExternalSecret and its store becomes. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import type { SecretProviderClass } from '#kubernetes/client'
import { type ConvertTextOptions, convertText, dataOf, entriesOf, only, parametersOf } from './convert-text.ts'

const tenantId = '72f988bf-86f1-41af-91ab-2d7cd011db47'
const clientId = '3f2504e0-4f89-11d3-9a0c-0305e82c3301'
const version = '0123456789abcdef0123456789abcdef'

const workload = {
  authType: 'WorkloadIdentity',
  vaultUrl: 'https://shop.vault.azure.net',
  serviceAccountRef: { name: 'shop' },
  tenantId,
}

function storeOf(azurekv: object, kind = 'SecretStore', spec: object = {}) {
  return {
    apiVersion: 'external-secrets.io/v1',
    kind,
    metadata: { name: 'store' },
    spec: { provider: { azurekv }, ...spec },
  }
}

function externalSecret(spec: object, metadata: object = {}) {
  return {
    apiVersion: 'external-secrets.io/v1',
    kind: 'ExternalSecret',
    metadata: { name: 'db', namespace: 'web', ...metadata },
    spec: { refreshInterval: '1h', secretStoreRef: { name: 'store', kind: 'SecretStore' }, ...spec },
  }
}

const password = [{ secretKey: 'password', remoteRef: { key: 'db' } }]

/** Converts an ExternalSecret of this spec, with a store for it. */
function convertSpec(
  spec: object,
  { store = storeOf(workload), ...options }: ConvertTextOptions & { store?: object } = {},
) {
  return convertText([store, externalSecret(spec)].map((one) => stringify(one)).join('---\n'), options)
}

function withReference(reference: object, options: ConvertTextOptions = {}) {
  return convertSpec({ data: [{ secretKey: 'password', remoteRef: { key: 'db', ...reference } }] }, options)
}

function codesOf({ errors }: { errors: string[] }): string[] {
  return [...new Set(errors.map((one) => one.slice(0, 5)))]
}

describe('a store', () => {
  test('azurekv: vault, tenant and account go into each class, and the store becomes nothing by itself', () => {
    const result = convertSpec({ data: password })
    assert.deepEqual(result.errors, [])
    const { objects: _, ...parameters } = parametersOf(result)
    assert.deepEqual(parameters, { keyvaultName: 'shop', tenantID: tenantId, syncInterval: '1h' })
    assert.equal(only<{ spec: { serviceAccountName: string } }>(result, 'SecretSync').spec.serviceAccountName, 'shop')
    assert.deepEqual(
      result.objects.map(({ kind, metadata }) => `${kind} ${metadata.namespace}/${metadata.name}`),
      ['SecretProviderClass web/db', 'SecretSync web/db'],
    )
    assert.deepEqual(
      result.converted.outcomes.map((one) => one.result),
      ['absorbed', 'converted'],
    )
  })

  test('ClusterSecretStore with conditions: for the namespaces that they name alone', () => {
    const reference = { name: 'store', kind: 'ClusterSecretStore' }
    const spec = { data: password, secretStoreRef: reference }
    const there = { ...workload, authType: 'ManagedIdentity', identityId: '5e0d0000-0000-4000-8000-00000000000a' }
    const codes = (conditions: unknown) =>
      codesOf(convertSpec(spec, { store: storeOf(there, 'ClusterSecretStore', { conditions }) }))
    assert.deepEqual(codes(undefined), [])
    assert.deepEqual(codes([]), [])
    assert.deepEqual(codes([{ namespaces: ['bank'] }, { namespaces: ['web'] }]), [])
    for (const other of [{ namespaces: ['bank'] }, { namespaceSelector: {} }, { namespaceRegexes: ['.*'] }, 'web'])
      assert.deepEqual(codes([other]), ['KM107'], JSON.stringify(other))
  })

  test('ClusterSecretStore: the same for every namespace, with an account of each', () => {
    const reference = { name: 'store', kind: 'ClusterSecretStore' }
    const there = { ...workload, serviceAccountRef: { name: 'shop', namespace: 'web' } }
    const store = storeOf(there, 'ClusterSecretStore')
    assert.deepEqual(convertSpec({ secretStoreRef: reference, data: password }, { store }).errors, [])
    const elsewhere = { ...workload, serviceAccountRef: { name: 'shop', namespace: 'operator' } }
    const options = { store: storeOf(elsewhere, 'ClusterSecretStore') }
    const spec = { secretStoreRef: reference, data: password }
    assert.deepEqual(codesOf(convertSpec(spec, options)), ['KM104'])
    assert.deepEqual(convertSpec(spec, { ...options, serviceAccount: 'app' }).errors, [])
  })

  test('environmentType: the cloud of the class, and the vault has to be in it', () => {
    const china = { ...workload, environmentType: 'ChinaCloud', vaultUrl: 'https://shop.vault.azure.cn/' }
    assert.equal(parametersOf(convertSpec({ data: password }, { store: storeOf(china) })).cloudName, 'AzureChinaCloud')
    const wrong = { ...workload, environmentType: 'ChinaCloud' }
    assert.deepEqual(codesOf(convertSpec({ data: password }, { store: storeOf(wrong) })), ['KM008'])
    for (const vaultUrl of [
      'https://shop.example.com',
      'http://shop.vault.azure.net',
      'https://a.b.vault.azure.net',
      '',
    ])
      assert.deepEqual(codesOf(convertSpec({ data: password }, { store: storeOf({ ...workload, vaultUrl }) })), [
        'KM008',
      ])
    const stack = { ...workload, environmentType: 'AzureStackCloud' }
    assert.deepEqual(codesOf(convertSpec({ data: password }, { store: storeOf(stack) })), ['KM106'])
  })

  test('authType WorkloadIdentity without serviceAccountRef: a finding, unless --service-account names one', () => {
    const { serviceAccountRef: _, ...mounted } = workload
    const options = { store: storeOf(mounted) }
    assert.deepEqual(codesOf(convertSpec({ data: password }, options)), ['KM005'])
    assert.deepEqual(convertSpec({ data: password }, { ...options, serviceAccount: 'app' }).errors, [])
  })

  test('authSecretRef with ids: a finding, unless --client-id and --tenant-id have them', () => {
    const { tenantId: _, ...plain } = workload
    const ids = { clientId: { name: 'ids', key: 'client' }, tenantId: { name: 'ids', key: 'tenant' } }
    const options = { store: storeOf({ ...plain, authSecretRef: ids }) }
    assert.deepEqual(codesOf(convertSpec({ data: password }, options)), ['KM105'])
    const result = convertSpec({ data: password }, { ...options, clientId, tenantId })
    assert.deepEqual([result.errors, parametersOf(result).clientID], [[], clientId])
  })

  test('authType ServicePrincipal, also by default: a finding', () => {
    const { authType: _, ...unnamed } = workload
    const named = { ...workload, authType: 'ServicePrincipal' }
    for (const azurekv of [unnamed, named])
      assert.deepEqual(codesOf(convertSpec({ data: password }, { store: storeOf(azurekv) })), ['KM103'])
  })

  test('authType ManagedIdentity: useVMManagedIdentity, with identityId as userAssignedIdentityID', () => {
    const azurekv = { authType: 'ManagedIdentity', vaultUrl: 'https://shop.vault.azure.net', identityId: clientId }
    const parameters = parametersOf(convertSpec({ data: password }, { store: storeOf(azurekv) }))
    assert.equal(parameters.useVMManagedIdentity, 'true')
    assert.equal(parameters.userAssignedIdentityID, clientId)
  })

  test('a store that is not there, of another provider, or with a field that is not known: findings', () => {
    const other = storeOf({})
    other.spec = { provider: { aws: {} } } as never
    assert.deepEqual(convertSpec({ data: password }, { store: other }).errors, [
      'KM102 16: SecretStore "store" reads from the provider aws',
    ])
    assert.deepEqual(codesOf(convertSpec({ secretStoreRef: { name: 'x' }, data: password })), ['KM101'])
    const more = storeOf({ ...workload, customCloudConfig: {} })
    assert.deepEqual(codesOf(convertSpec({ data: password }, { store: more })), ['KM106'])
  })
})

describe('remoteRef', () => {
  test('key secret/x and bare: objectType secret; version: objectVersion', () => {
    assert.deepEqual(entriesOf(withReference({ key: 'secret/db' })), [
      { objectName: 'db', objectType: 'secret', objectAlias: 'password' },
    ])
    const [entry] = entriesOf(withReference({ version }))
    assert.equal(entry?.objectVersion, version)
    assert.deepEqual(dataOf(withReference({})), ['password=password'])
  })

  test('key cert/x and key/x: DER and JWK are findings; with --accept-pem objectType cert and key', () => {
    for (const type of ['cert', 'key']) {
      assert.deepEqual(codesOf(withReference({ key: `${type}/web` })), ['KM110'])
      const [entry] = entriesOf(withReference({ key: `${type}/web` }, { acceptPem: true }))
      assert.equal(entry?.objectType, type)
    }
    assert.deepEqual(codesOf(withReference({ key: 'certificate/web' })), ['KM111'])
  })

  test('property: jsonPath, a number as index', () => {
    const pathOf = (property: string) => entriesOf(withReference({ property }))[0]?.jsonPath
    assert.equal(pathOf('user'), '$.user')
    assert.equal(pathOf('friends.1.first'), '$.friends[1].first')
    assert.equal(pathOf(String.raw`tls\.crt`), "$['tls.crt']")
    assert.equal(pathOf('it/is'), "$['it/is']")
    for (const property of ['friends.#.first', 'a|b', '@this', 'a*', 'a..b', '.a'])
      assert.deepEqual(codesOf(withReference({ property })), ['KM112'], property)
  })

  test('property tags.x and metadataPolicy Fetch: a finding', () => {
    assert.deepEqual(codesOf(withReference({ property: 'tags.environment' })), ['KM113'])
    assert.deepEqual(codesOf(withReference({ metadataPolicy: 'Fetch' })), ['KM113'])
    assert.deepEqual(withReference({ metadataPolicy: 'None' }).errors, [])
  })

  test('decodingStrategy Base64: objectEncoding base64; Auto, Base64URL: a finding', () => {
    assert.equal(entriesOf(withReference({ decodingStrategy: 'Base64' }))[0]?.objectEncoding, 'base64')
    for (const decodingStrategy of ['Auto', 'Base64URL'])
      assert.deepEqual(codesOf(withReference({ decodingStrategy })), ['KM115'])
    assert.deepEqual(withReference({ decodingStrategy: 'None' }).errors, [])
    assert.deepEqual(codesOf(withReference({ decodingStrategy: 'Base64', property: 'a' })), ['KM115'])
  })
})

describe('dataFrom', () => {
  test('extract: jsonPath for each key that the cluster shows, else a finding', () => {
    const spec = { dataFrom: [{ extract: { key: 'db' } }] }
    assert.deepEqual(convertSpec(spec).errors, ['KM114 25: extract reads the members of a JSON secret (not read)'])
    const result = convertSpec(spec, { keys: { db: ['odd.name', 'user'] } })
    assert.deepEqual(entriesOf(result), [
      {
        objectName: 'db',
        objectType: 'secret',
        jsonPath: [
          { path: "$['odd.name']", objectAlias: 'odd.name' },
          { path: '$.user', objectAlias: 'user' },
        ],
      },
    ])
    assert.deepEqual(dataOf(result), ['odd.name=odd.name', 'user=user'])
  })

  test('extract below a template: the members that the template names', () => {
    const target = { template: { data: { url: 'db://{{ .user }}:{{ .password }}' } } }
    const result = convertSpec({ target, dataFrom: [{ extract: { key: 'db' } }] })
    assert.deepEqual(result.errors, [])
    assert.deepEqual(entriesOf(result)[0]?.jsonPath, [
      { path: '$.user', objectAlias: 'user' },
      { path: '$.password', objectAlias: 'password' },
    ])
    assert.deepEqual(dataOf(result), ['url=url'])
  })

  test('find.name.regexp and find.tags: a selector, and the Secret is of the class', () => {
    const result = convertSpec({
      dataFrom: [{ find: { name: { regexp: '^app-' }, tags: { tier: 'web' } } }],
    })
    assert.deepEqual(result.errors, [])
    assert.deepEqual(result.remarks, ['KM126 25: the Secret has the keys that the vault has'])
    assert.deepEqual(entriesOf(result), [{ select: { namePattern: 'app-.*', tags: { tier: 'web' } }, limit: 500 }])
    const { spec, metadata } = only<SecretProviderClass>(result, 'SecretProviderClass')
    assert.deepEqual(spec?.secretObjects, [
      { secretName: 'db', type: 'Opaque', data: [{ objectName: '*', key: '{file}' }] },
    ])
    assert.equal(metadata.annotations?.['keymount.dev/sync-service-account'], 'shop')
    assert.deepEqual(entriesOf(convertSpec({ dataFrom: [{ find: {} }] })), [{ select: { all: true }, limit: 500 }])
    const patterns = { mode: '.*mode.*', '^a|b$': '.*(?:^a|b$).*', x$: '.*x' }
    for (const [regexp, namePattern] of Object.entries(patterns)) {
      const [entry] = entriesOf(convertSpec({ dataFrom: [{ find: { name: { regexp } } }] }))
      assert.deepEqual(entry?.select, { namePattern })
    }
  })

  test('rewrite, generators: findings', () => {
    const rewrite = [{ regexp: { source: '(.*)', target: 'my_$1' } }]
    const one = { find: { name: { regexp: 'a' } } }
    assert.deepEqual(codesOf(convertSpec({ dataFrom: [{ ...one, rewrite }] })), ['KM123'])
    const generator = { sourceRef: { generatorRef: { kind: 'Password', name: 'p' } } }
    assert.deepEqual(codesOf(convertSpec({ dataFrom: [generator] })), ['KM124'])
  })
})

describe('refreshInterval', () => {
  test('syncInterval; 0: a finding', () => {
    assert.equal(parametersOf(convertSpec({ refreshInterval: '90s', data: password })).syncInterval, '90s')
    for (const refreshInterval of ['0', '0s', 0])
      assert.deepEqual(codesOf(convertSpec({ refreshInterval, data: password })), ['KM116'])
    assert.deepEqual(codesOf(convertSpec({ refreshInterval: 'often', data: password })), ['KM006'])
  })

  test('refreshPolicy OnChange: no polling; CreatedOnce: a finding', () => {
    const result = convertSpec({ refreshPolicy: 'OnChange', data: password })
    assert.equal(parametersOf(result).syncInterval, '876000h')
    assert.deepEqual(codesOf(convertSpec({ refreshPolicy: 'CreatedOnce', data: password })), ['KM116'])
  })

  test('syncWindows: a finding', () => {
    assert.deepEqual(codesOf(convertSpec({ syncWindows: [], data: password })), ['KM125'])
  })
})

describe('target', () => {
  test('creationPolicy Owner is right; Orphan, Merge, None, CreateOrMerge: a finding with what differs', () => {
    assert.deepEqual(convertSpec({ target: { creationPolicy: 'Owner' }, data: password }).errors, [])
    for (const creationPolicy of ['Orphan', 'Merge', 'None', 'CreateOrMerge']) {
      const { errors } = convertSpec({ target: { creationPolicy }, data: password })
      assert.match(errors.join(), new RegExp(`^KM117 \\d+: creationPolicy ${creationPolicy} (?:leaves|adds|makes)`))
    }
  })

  test('deletionPolicy other than Retain, and immutable: findings', () => {
    assert.deepEqual(convertSpec({ target: { deletionPolicy: 'Retain' }, data: password }).errors, [])
    for (const deletionPolicy of ['Delete', 'Merge'])
      assert.deepEqual(codesOf(convertSpec({ target: { deletionPolicy }, data: password })), ['KM118'])
    assert.deepEqual(codesOf(convertSpec({ target: { immutable: true }, data: password })), ['KM119'])
  })

  test('name: that of the SecretSync; without it that of the ExternalSecret; with a suffix both can exist', () => {
    const named = convertSpec({ target: { name: 'other' }, data: password }, { suffix: '-km' })
    assert.deepEqual(
      named.objects.map(({ metadata }) => metadata.name),
      ['db-km', 'other-km'],
    )
    assert.deepEqual(named.converted.files[0]?.draft.secrets, [{ namespace: 'web', old: 'other', new: 'other-km' }])
  })

  test('template.type, labels and annotations are carried', () => {
    const metadata = { labels: { a: 'b' }, annotations: { c: 'd' } }
    const target = { template: { type: 'kubernetes.io/dockerconfigjson', metadata } }
    const data = [{ secretKey: '.dockerconfigjson', remoteRef: { key: 'registry' } }]
    const sync = only<{ spec: { secretObject: object } }>(convertSpec({ target, data }), 'SecretSync')
    const { data: _, ...secretObject } = sync.spec.secretObject as Record<string, unknown>
    assert.deepEqual(secretObject, { type: 'kubernetes.io/dockerconfigjson', ...metadata })
    const templated = { template: { metadata: { labels: { a: '{{ .x }}' } } } }
    assert.deepEqual(codesOf(convertSpec({ target: templated, data })), ['KM122'])
    const token = { template: { type: 'kubernetes.io/service-account-token' } }
    assert.deepEqual(codesOf(convertSpec({ target: token, data })), ['KM007'])
  })

  test('without a template the labels of the ExternalSecret are carried, and its annotations but those of tools', () => {
    const annotations = { note: 'x', 'argocd.argoproj.io/sync-wave': '1' }
    const text = [storeOf(workload), externalSecret({ data: password }, { labels: { app: 'web' }, annotations })]
    const result = convertText(text.map((one) => stringify(one)).join('---\n'))
    const { secretObject } = only<{ spec: { secretObject: Record<string, unknown> } }>(result, 'SecretSync').spec
    assert.deepEqual([secretObject.labels, secretObject.annotations], [{ app: 'web' }, { note: 'x' }])
  })

  test('template.data within the subset: templates of the class; else a finding with the name of the function', () => {
    const template = { data: { url: 'db://{{ .password | urlquery }}@{{ index . "password" | toString }}' } }
    const result = convertSpec({ target: { template }, data: password })
    assert.deepEqual(result.errors, [])
    assert.equal(
      parametersOf(result).templates,
      '- fileName: url\n  template: db://{{ .password | urlquery }}@{{ index "password" }}\n',
    )
    assert.equal(entriesOf(result)[0]?.only, 'templates')
    const outside = convertSpec({
      target: { template: { data: { x: '{{ .password | sha256sum }}' } } },
      data: password,
    })
    assert.match(outside.errors.join(), /^KM120 \d+: "x": line 1, column \d+: there is no function "sha256sum"/)
  })

  test('mergePolicy Merge keeps the other keys; a template of a key replaces it', () => {
    const data = [...password, { secretKey: 'user', remoteRef: { key: 'user' } }]
    const template = { mergePolicy: 'Merge', data: { password: 'x{{ .password }}' } }
    const result = convertSpec({ target: { template }, data })
    assert.deepEqual(result.errors, [])
    assert.deepEqual(dataOf(result), ['user=user', 'password=password'])
  })

  test('templateFrom, engineVersion v1: findings', () => {
    const from = { template: { templateFrom: [{ configMap: { name: 'x' } }] } }
    assert.deepEqual(codesOf(convertSpec({ target: from, data: password })), ['KM121'])
    const old = { template: { engineVersion: 'v1', data: { a: '{{ .password }}' } } }
    assert.deepEqual(codesOf(convertSpec({ target: old, data: password })), ['KM122'])
  })

  test('pkcs12cert and pkcs12key of a certificate: its PEM; jwkPublicKeyPem: the PEM of a key', () => {
    const template = {
      type: 'kubernetes.io/tls',
      data: { 'tls.crt': '{{ .tls | b64dec | pkcs12cert }}', 'tls.key': '{{ .tls | b64dec | pkcs12key }}' },
    }
    const result = convertSpec({ target: { template }, data: [{ secretKey: 'tls', remoteRef: { key: 'web' } }] })
    assert.deepEqual(result.errors, [])
    assert.match(parametersOf(result).templates ?? '', /\{\{ \.tls \| pemChain \}\}[\s\S]*\{\{ \.tls \| pemKey \}\}/)
    const key = { template: { data: { pub: '{{ .k | jwkPublicKeyPem }}' } } }
    const jwk = convertSpec({ target: key, data: [{ secretKey: 'k', remoteRef: { key: 'key/sign' } }] })
    assert.deepEqual([jwk.errors, entriesOf(jwk)[0]?.objectType], [[], 'key'])
  })
})

test('sourceRef: another vault of the same identity, otherwise a finding', () => {
  const second = {
    ...storeOf({ ...workload, vaultUrl: 'https://other.vault.azure.net' }),
    metadata: { name: 'second' },
  }
  const third = { ...storeOf({ ...workload, serviceAccountRef: { name: 'else' } }), metadata: { name: 'third' } }
  const from = (name: string) =>
    convertText(
      [
        storeOf(workload),
        second,
        third,
        externalSecret({ data: [{ ...password[0], sourceRef: { storeRef: { name } } }] }),
      ]
        .map((one) => stringify(one))
        .join('---\n'),
    )
  assert.equal(entriesOf(from('second'))[0]?.vault, 'other')
  assert.deepEqual(codesOf(from('third')), ['KM129'])
})

test('PushSecret, ClusterExternalSecret, generators: findings', () => {
  for (const [apiVersion, kind] of [
    ['external-secrets.io/v1alpha1', 'PushSecret'],
    ['external-secrets.io/v1', 'ClusterExternalSecret'],
    ['generators.external-secrets.io/v1alpha1', 'Password'],
  ])
    assert.deepEqual(convertText(stringify({ apiVersion, kind, metadata: { name: 'x' }, spec: {} })).errors, [
      `KM128 2: ${kind} "x" has no counterpart`,
    ])
})

test('a field that is not known, and a key with two entries, leave the object out', () => {
  assert.deepEqual(codesOf(convertSpec({ data: password, future: { a: 1 } })), ['KM001'])
  assert.deepEqual(codesOf(convertSpec({ data: [...password, ...password] })), ['KM127'])
})

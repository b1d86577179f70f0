/** What objects of akv2k8s, Arc’s extension, GKE, the App Configuration provider and the upstream driver become. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { stringify } from 'yaml'
import type { SecretProviderClass } from '#kubernetes/client'
import { secretsVolume } from '../../support/secrets-volume.ts'
import { type ConvertTextOptions, convertText, dataOf, entriesOf, only, parametersOf } from './convert-text.ts'

function codesOf({ errors }: { errors: string[] }): string[] {
  return [...new Set(errors.map((one) => one.slice(0, 5)))]
}

function convertAll(objects: readonly object[], options: ConvertTextOptions = {}) {
  return convertText(objects.map((one) => stringify(one)).join('---\n'), options)
}

describe('akv2k8s', () => {
  function akvs(object: object, output?: object, name = 'db') {
    return {
      apiVersion: 'spv.no/v1',
      kind: 'AzureKeyVaultSecret',
      metadata: { name, namespace: 'web' },
      spec: {
        vault: { name: 'shop', object: { name: 'db-password', ...object } },
        ...(output === undefined ? {} : { output }),
      },
    }
  }

  const secret = (more: object = {}) => ({ secret: { name: 'db', dataKey: 'password', ...more } })

  function convertOne(object: object, output?: object, options: ConvertTextOptions = {}) {
    return convertAll([akvs(object, output)], { serviceAccount: 'app', ...options })
  }

  test('AzureKeyVaultSecret: a class and a SecretSync, with the account of the option', () => {
    const result = convertOne({ type: 'secret', version: 'a'.repeat(32) }, secret())
    assert.deepEqual(result.errors, [])
    assert.deepEqual(entriesOf(result), [
      { objectName: 'db-password', objectType: 'secret', objectAlias: 'password', objectVersion: 'a'.repeat(32) },
    ])
    assert.deepEqual(dataOf(result), ['password=password'])
    assert.deepEqual(codesOf(convertAll([akvs({ type: 'secret' }, secret())])), ['KM005'])
  })

  test('multi-key-value-secret: jsonPath for each key that the cluster shows; YAML: a finding', () => {
    const json = { type: 'multi-key-value-secret', contentType: 'application/x-json' }
    assert.deepEqual(codesOf(convertOne(json, { secret: { name: 'db' } })), ['KM202'])
    const result = convertOne(json, { secret: { name: 'db' } }, { keys: { db: ['a', 'b.c'] } })
    assert.deepEqual(
      entriesOf(result).map(({ objectAlias, jsonPath }) => [objectAlias, jsonPath]),
      [
        ['a', '$.a'],
        ['b.c', "$['b.c']"],
      ],
    )
    const yaml = { ...json, contentType: 'application/x-yaml' }
    assert.deepEqual(codesOf(convertOne(yaml, { secret: { name: 'db' } }, { keys: { db: ['a'] } })), ['KM203'])
  })

  test('certificate: a TLS Secret, leaf first as chainOrder ensureserverfirst asks; without type the certificate', () => {
    const output = secret({ type: 'kubernetes.io/tls', chainOrder: 'ensureserverfirst' })
    const result = convertOne({ type: 'certificate' }, output)
    assert.deepEqual(result.errors, [])
    assert.deepEqual(dataOf(result), ['tls.crt=tls.crt', 'tls.key=tls.key'])
    assert.equal(entriesOf(result)[0]?.objectType, 'secret')
    assert.equal(entriesOf(convertOne({ type: 'certificate' }, secret()))[0]?.objectType, 'cert')
    assert.deepEqual(codesOf(convertOne({ type: 'certificate' }, secret({ type: 'Opaque' }))), ['KM206'])
  })

  test('key: the modulus is a finding; with --accept-pem the public key', () => {
    assert.deepEqual(codesOf(convertOne({ type: 'key' }, secret())), ['KM207'])
    assert.equal(entriesOf(convertOne({ type: 'key' }, secret(), { acceptPem: true }))[0]?.objectType, 'key')
  })

  test('transform trim: a template; base64decode alone: objectEncoding; others: a finding', () => {
    const trimmed = convertOne({ type: 'secret' }, { ...secret(), transform: ['base64decode', 'trim'] })
    assert.equal(
      parametersOf(trimmed).templates,
      `- fileName: password\n  template: '{{ index "password" | b64dec | trim }}'\n`,
    )
    const decoded = convertOne({ type: 'secret' }, { ...secret(), transforms: ['base64decode'] })
    assert.equal(entriesOf(decoded)[0]?.objectEncoding, 'base64')
    assert.deepEqual(codesOf(convertOne({ type: 'secret' }, { ...secret(), transform: ['upper'] })), ['KM208'])
  })

  test('types of Secrets with keys of their own; basic-auth, which is split: a finding', () => {
    for (const [type, key] of [
      ['kubernetes.io/dockerconfigjson', '.dockerconfigjson'],
      ['kubernetes.io/dockercfg', '.dockercfg'],
      ['kubernetes.io/ssh-auth', 'ssh-privatekey'],
    ])
      assert.deepEqual(dataOf(convertOne({ type: 'secret' }, secret({ type }))), [`${key}=${key}`])
    assert.deepEqual(codesOf(convertOne({ type: 'secret' }, secret({ type: 'kubernetes.io/basic-auth' }))), ['KM205'])
    const pfx = convertOne({ type: 'secret' }, secret({ type: 'kubernetes.io/tls' }))
    assert.deepEqual(dataOf(pfx), ['tls.crt=db-password', 'tls.key=db-password'])
  })

  test('ConfigMap as output, azureIdentity: findings; an object that nothing uses is not written', () => {
    assert.deepEqual(codesOf(convertOne({ type: 'secret' }, { configMap: { name: 'x', dataKey: 'y' } })), ['KM204'])
    const own = akvs({ type: 'secret' }, secret())
    Object.assign(own.spec.vault, { azureIdentity: { name: 'x' } })
    assert.deepEqual(codesOf(convertAll([own], { serviceAccount: 'app' })), ['KM212'])
    const unused = convertOne({ type: 'secret' })
    assert.deepEqual([unused.errors, unused.remarks.length, unused.objects], [[], 1, []])
  })

  const deployment = `# The API.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: api
  namespace: web
spec:
  selector: { matchLabels: { app: api } }
  template:
    metadata: { labels: { app: api } }
    spec:
      serviceAccountName: app
      containers:
        - name: api
          image: example.com/api
          env:
            # of the database
            - name: PASSWORD
              value: db@azurekeyvault
            - name: MODE
              value: fast # stays
            - name: USER
              value: parts@azurekeyvault?user
`
  const parts = akvs({ type: 'multi-key-value-secret', contentType: 'application/x-json' }, undefined, 'parts')
  const pod = (objects: readonly object[], options: ConvertTextOptions = {}) =>
    convertText([...objects.map((one) => stringify(one)), deployment].join('---\n'), options)

  test('env NAME@azurekeyvault[?q]: secretKeyRef, with the account of the pod and all comments', () => {
    const result = pod([akvs({ type: 'secret' }), parts], { suffix: '-km' })
    assert.deepEqual(result.errors, [])
    const written = result.converted.files.find(({ path }) => path === 'web/deployment-api.yaml')?.text ?? ''
    assert.match(written, /^# The API\.\n/)
    assert.match(
      written,
      /# of the database\n {12}- name: PASSWORD\n {14}valueFrom:\n {16}secretKeyRef:\n {18}name: db-km\n {18}key: value\n/,
    )
    assert.match(written, /value: fast # stays/)
    assert.match(written, /name: parts-km\n {18}key: user\n/)
    const [sync] = result.objects.filter(({ kind }) => kind === 'SecretSync')
    assert.equal((sync as unknown as { spec: { serviceAccountName: string } }).spec.serviceAccountName, 'app')
  })

  test('env with --strategy files: no Secret, the annotation and the volumes of the webhook', () => {
    const result = pod([akvs({ type: 'secret' }), parts], { strategy: 'files' })
    assert.deepEqual(result.errors, [])
    assert.deepEqual(
      result.objects.map(({ kind }) => kind),
      ['SecretProviderClass', 'SecretProviderClass', 'Deployment'],
    )
    const written = result.converted.files.at(-1)?.text ?? ''
    assert.match(written, /keymount\.dev\/env: "PASSWORD=db:value, USER=parts:user"/)
    // The comment goes with the variable that it is about.
    assert.match(written, /env:\n {12}- name: MODE\n {14}value: fast # stays\n/)
    assert.match(written, /secretProviderClass: parts/)
  })

  test('env of one container of several with --strategy files: only that container gets the variables; different ones: a finding', () => {
    const side = (env: string) => `        - name: side\n          image: example.com/side\n${env}`
    const secrets = [akvs({ type: 'secret' }), parts].map((one) => stringify(one)).join('---\n')
    const one = convertText(`${secrets}---\n${deployment}${side('')}`, { strategy: 'files' })
    assert.deepEqual(one.errors, [])
    assert.match(one.converted.files.at(-1)?.text ?? '', /keymount\.dev\/env-containers: api/)
    const both = side('          env: [{ name: PASSWORD, value: db@azurekeyvault }]\n')
    assert.deepEqual(codesOf(convertText(`${secrets}---\n${deployment}${both}`, { strategy: 'files' })), ['KM213'])
  })

  test('env that names an unknown object, or one that is left out, leaves the pod out', () => {
    assert.deepEqual(codesOf(pod([akvs({ type: 'secret' })])), ['KM210'])
    const broken = akvs({ type: 'secret' }, { configMap: { name: 'x', dataKey: 'y' } })
    const result = pod([broken, parts])
    assert.deepEqual(codesOf(result), ['KM204', 'KM011'])
    assert.deepEqual(
      result.converted.files.map(({ path }) => path),
      ['web/azurekeyvaultsecret-parts.yaml'],
    )
  })

  test('the report notes the label of the namespace', () => {
    const [source] = pod([akvs({ type: 'secret' }), parts]).converted.outcomes.map((one) => one.source)
    assert.match(source?.notes.join('\n') ?? '', /azure-key-vault-env-injection/)
  })
})

const secretSync = (apiVersion: string, more: object = {}) => ({
  apiVersion,
  kind: 'SecretSync',
  metadata: { name: 'app', namespace: 'web' },
  spec: {
    serviceAccountName: 'app',
    secretProviderClassName: 'app',
    secretObject: { type: 'Opaque', data: [{ sourcePath: 'db', targetKey: 'password' }], ...more },
  },
})

const azureClass = (provider = 'azure', more: object = {}) => ({
  apiVersion: 'secrets-store.csi.x-k8s.io/v1',
  kind: 'SecretProviderClass',
  metadata: { name: 'app', namespace: 'web' },
  spec: {
    provider,
    parameters: {
      keyvaultName: 'shop',
      tenantID: '72f988bf-86f1-41af-91ab-2d7cd011db47',
      clientID: '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
      objects: 'array:\n  - |\n    objectName: db\n    objectType: secret\n',
    },
    ...more,
  },
})

describe('Arc’s Secret Store extension', () => {
  test('SecretSync and class stay as they are, comments included; with a suffix the SecretSync gets another name', () => {
    const text = `# of the app\n${stringify(secretSync('secret-sync.x-k8s.io/v1alpha1'))}---\n${stringify(azureClass())}`
    const result = convertText(text)
    assert.equal(result.text, text)
    assert.deepEqual(
      result.converted.outcomes.map((one) => one.result),
      ['unchanged', 'unchanged'],
    )
    const renamed = convertText(text, { suffix: '-km' })
    assert.match(renamed.text, /^# of the app\n[\s\S]*name: app-km\n {2}namespace: web\n/)
    assert.deepEqual(renamed.converted.files[0]?.draft.secrets, [{ namespace: 'web', old: 'app', new: 'app-km' }])
  })

  test('labels that are a list, as the reference of the extension shows them: a finding', () => {
    const listed = secretSync('secret-sync.x-k8s.io/v1alpha1', { labels: [{ a: 'b' }] })
    assert.deepEqual(codesOf(convertAll([listed])), ['KM302'])
  })

  const akvSync = (spec: object) => ({
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'AKVSync',
    metadata: { name: 'app', namespace: 'web' },
    spec: {
      keyvaultName: 'shop',
      clientID: '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
      tenantID: '72f988bf-86f1-41af-91ab-2d7cd011db47',
      serviceAccountName: 'app',
      ...spec,
    },
  })

  test('AKVSync: a class, and a SecretSync for each object with its keys v0, v1, …', () => {
    const objects = [
      { secretInAKV: 'db' },
      { secretInAKV: 'Api', kubernetesSecretName: 'api-key', objectVersionHistory: 2 },
    ]
    const result = convertAll([akvSync({ objects })])
    assert.deepEqual(result.errors, [])
    assert.deepEqual(entriesOf(result), [
      { objectName: 'db', objectType: 'secret' },
      { objectName: 'Api', objectType: 'secret', objectVersionHistory: 2 },
    ])
    const syncs = result.objects.filter(({ kind }) => kind === 'SecretSync') as unknown as {
      metadata: { name: string }
      spec: { secretObject: { data: object[] } }
    }[]
    assert.deepEqual(
      syncs.map(({ metadata, spec }) => [metadata.name, spec.secretObject.data]),
      [
        ['db', [{ sourcePath: 'db', targetKey: 'v0' }]],
        [
          'api-key',
          [
            { sourcePath: 'Api/0', targetKey: 'v0' },
            { sourcePath: 'Api/1', targetKey: 'v1' },
          ],
        ],
      ],
    )
    assert.deepEqual(codesOf(convertAll([akvSync({ objects: [{ secretInAKV: 'db', future: 1 }] })])), ['KM001'])
  })

  test('jitterSeconds: no equivalent, and none needed', () => {
    const result = convertAll([akvSync({ objects: [{ secretInAKV: 'db' }], jitterSeconds: 60 })])
    assert.deepEqual([result.errors, result.remarks], [[], ['KM301 13: jitterSeconds']])
  })

  test('the report notes that cloudName may return', () => {
    const [outcome] = convertAll([secretSync('secret-sync.x-k8s.io/v1alpha1')]).converted.outcomes
    assert.match(outcome?.source.notes.join('\n') ?? '', /`cloudName`/)
  })
})

describe('GKE', () => {
  const sync = secretSync('secret-sync.gke.io/v1')

  test('secret-sync.gke.io/v1: the group changes; the provider of the class is a finding unless --provider-map', () => {
    const refused = convertAll([sync, azureClass('gke')])
    assert.deepEqual(codesOf(refused), ['KM011', 'KM401'])
    assert.deepEqual(refused.objects, [])
    const result = convertAll([sync, azureClass('gke')], { providerMap: new Map([['gke', 'gcp']]) })
    assert.deepEqual(result.errors, [])
    assert.equal(only(result, 'SecretSync').apiVersion, 'secret-sync.x-k8s.io/v1alpha1')
    assert.equal(only<SecretProviderClass>(result, 'SecretProviderClass').spec?.provider, 'gcp')
  })

  test('a class that is not in the input: a finding', () => {
    assert.deepEqual(codesOf(convertAll([sync])), ['KM402'])
  })
})

describe('App Configuration', () => {
  const provider = (spec: object) => ({
    apiVersion: 'azconfig.io/v1',
    kind: 'AzureAppConfigurationProvider',
    metadata: { name: 'app', namespace: 'web' },
    spec: { endpoint: 'https://shop.azconfig.io', target: { configMapName: 'app' }, ...spec },
  })

  test('Key Vault references: a finding with the list of them and of the vaults', () => {
    const spec = {
      secret: { target: { secretName: 'app' }, auth: { keyVaults: [{ uri: 'https://shop.vault.azure.net' }] } },
    }
    assert.deepEqual(convertAll([provider(spec)], { keys: { app: ['db', 'api'] } }).errors, [
      'KM501 10: it resolves Key Vault references into the Secret "app" (references: db, api; vaults: https://shop.vault.azure.net)',
    ])
    assert.match(convertAll([provider(spec)]).errors.join(), /the references are not known: not read/)
    assert.deepEqual(codesOf(convertAll([provider({})])), [])
  })
})

describe('upstream driver', () => {
  const secretObjects = [{ secretName: 'db', type: 'Opaque', data: [{ objectName: 'db', key: 'password' }] }]
  const pod = (env: object[]) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: 'web' },
    spec: {
      serviceAccountName: 'app',
      containers: [{ name: 'web', image: 'x', env, volumeMounts: [{ name: 's', mountPath: '/s', readOnly: true }] }],
      volumes: [secretsVolume('s', 'app')],
    },
  })

  test('class and pod stay as they are', () => {
    const result = convertAll([azureClass(), pod([])])
    assert.deepEqual(
      result.converted.outcomes.map((one) => one.result),
      ['unchanged', 'unchanged'],
    )
    assert.deepEqual(result.errors, [])
  })

  test('secretObjects that no pod reads as environment: a SecretSync is suggested', () => {
    const use = { name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'db', key: 'password' } } }
    const suggested = ({ remarks }: { remarks: string[] }) => remarks.filter((one) => one.startsWith('KM601'))
    assert.equal(suggested(convertAll([azureClass('azure', { secretObjects }), pod([])])).length, 1)
    assert.equal(suggested(convertAll([azureClass('azure', { secretObjects }), pod([use])])).length, 0)
  })

  test('the report notes that a values file works with the chart of the same name', () => {
    const [outcome] = convertAll([azureClass()]).converted.outcomes
    assert.match(outcome?.source.notes.join('\n') ?? '', /values file of an upstream chart works unchanged/)
  })

  test('findings of lint are reported, and leave nothing out', () => {
    const wrong = azureClass('azure', {
      secretObjects: [{ ...secretObjects[0], data: [{ objectName: 'x', key: 'y' }] }],
    })
    const { remarks, errors } = convertAll([wrong])
    assert.match(remarks.join('\n'), /KM010 \d+: KL\d+: /)
    assert.deepEqual(errors, [])
  })
})

describe('whatever the source', () => {
  test('two objects that become one are both left out', () => {
    const one = (name: string) => ({
      apiVersion: 'spv.no/v1',
      kind: 'AzureKeyVaultSecret',
      metadata: { name, namespace: 'web' },
      spec: {
        vault: { name: 'shop', object: { name: 'db', type: 'secret' } },
        output: { secret: { name: 'same', dataKey: 'x' } },
      },
    })
    const result = convertAll([one('a'), one('b')], { serviceAccount: 'app' })
    assert.deepEqual(result.errors, [
      'KM003 2: AzureKeyVaultSecret "b" becomes the Secret "same", too',
      'KM003 18: AzureKeyVaultSecret "a" becomes the Secret "same", too',
    ])
    assert.deepEqual(result.objects, [])
  })

  test('names that Kubernetes refuses, which could be paths, are findings', () => {
    for (const metadata of [{ name: '../../etc/x' }, { name: 'a', namespace: '../b' }, { name: 'A' }, {}])
      assert.deepEqual(codesOf(convertAll([{ ...secretSync('secret-sync.x-k8s.io/v1alpha1'), metadata }])), ['KM004'])
  })

  test('--from takes one tool alone', () => {
    const all = [secretSync('secret-sync.x-k8s.io/v1alpha1'), azureClass()]
    assert.equal(convertAll(all, { from: 'gke' }).converted.outcomes.length, 0)
    assert.equal(convertAll(all, { from: 'upstream' }).converted.outcomes.length, 1)
    assert.equal(convertAll(all, { from: 'sse' }).converted.outcomes.length, 2)
  })
})

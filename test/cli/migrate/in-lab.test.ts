/**
 * ExternalSecrets of a cluster are migrated as docs/migrate-secrets.md has it: read from the cluster, applied under other names, compared.
 * The old Secrets are what the operator documents that it writes; where a program with its own controllers is there, it writes them.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto'
import { globSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { type Resource, resources, type UntypedObject } from '#kubernetes/client'
import { type SyncLab, startSyncLab } from '../../product/sync/sync-lab.ts'
import { until } from '../../support/eventually.ts'
import { findProgram } from '../../support/find-program.ts'
import { createOpenssl } from '../../support/openssl.ts'
import { runCli } from '../../support/run-cli.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** ESO's controllers (pkg/controllers, v0.16) with its Azure provider alone, built outside of this repository. */
const operator = findProgram('eso-azure', 'KEYMOUNT_ESO')

const withoutOperator = 'no program with the controllers of the External Secrets Operator (KEYMOUNT_ESO=PROGRAM)'

test('old and new Secrets are equal, by what the operator documents', { timeout: 180_000 }, (t) =>
  migrateAll(t, 'documented'),
)

test(
  'old and new Secrets are equal, by the operator itself',
  {
    skip: operator === undefined ? withoutOperator : false,
    timeout: 240_000,
  },
  (t) => migrateAll(t, 'operator'),
)

interface Case {
  spec: Record<string, unknown>
  /** What the operator writes: by key. */
  expected: Record<string, string>
  type?: string
}

async function migrateAll(t: TestContext, by: 'documented' | 'operator'): Promise<void> {
  const lab = await startSyncLab(t)
  const { tls, ...others } = await casesOf(t, lab)
  // The operator's reader of PFX files takes DER alone, and those of the lab have an octet string in parts.
  const cases = by === 'documented' && tls !== undefined ? { ...others, tls } : others
  await createOld(lab, cases)
  if (by === 'operator') await runOperator(t, lab, cases)
  else await createExpected(lab, cases)

  const out = join(temporaryDirectory(t), 'out')
  const cluster = ['--kubeconfig', lab.cluster.kubeconfig]
  const words = [
    '--cluster',
    ...cluster,
    '--from',
    'eso',
    '--suffix=-km',
    '--client-id',
    lab.identity.clientId,
    '-o',
    out,
  ]
  const migrated = await runCli(['migrate', ...words])
  assert.deepEqual([migrated.code, migrated.stderr.includes('not read')], [0, false], migrated.stdout + migrated.stderr)

  lab.start({ syncClasses: true })
  await apply(lab, out)
  for (const name of Object.keys(cases)) await written(lab, `${name}-km`)
  const compared = await runCli(['migrate', 'compare', ...cluster, out])
  assert.equal(compared.code, 0, compared.stdout + compared.stderr)
  assert.match(
    compared.stdout,
    new RegExp(`${Object.keys(cases).length} of ${Object.keys(cases).length} Secrets equal`),
  )
  // A TLS Secret of ours has an RSA key as PKCS #1, as the upstream driver writes it, and the operator PKCS #8.
  if (by === 'documented')
    assert.match(compared.stdout, /tls and tls-km: equal \(2 keys\)\n {4}tls\.key: equal in another form\n/)
  for (const [name, { expected }] of Object.entries(cases)) {
    const { data = {} } = (await lab.secret(`${name}-km`)) ?? {}
    const found = Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('latin1')])
    assert.deepEqual(withPkcs8(Object.fromEntries(found) as Record<string, string>), expected, name)
  }

  // A value that is another one is found, and only its key is named.
  const other = { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'other', namespace: 'default' } }
  await lab.kube.create(resources.secrets, { ...other, type: 'Opaque', data: { password: 'b3RoZXI=', more: 'eA==' } })
  const differs = await runCli(['migrate', 'compare', ...cluster, 'other=plain-km', 'nested=nested-km'])
  assert.equal(differs.code, 1)
  assert.equal(
    differs.stdout,
    [
      '✗ default/other and plain-km: different',
      '    more: only in the old one',
      '    password: different',
      '    same: only in the new one',
      '✓ default/nested and nested-km: equal (5 keys)',
      '1 of 2 Secrets equal',
      '',
    ].join('\n'),
  )
  const missing = await runCli(['migrate', 'compare', ...cluster, 'plain=none'])
  assert.deepEqual([missing.code, /there is no Secret "none"/.test(missing.stdout)], [2, true])
}

function withPkcs8(values: Record<string, string>): Record<string, string> {
  const key = values['tls.key']
  if (key === undefined) return values
  return { ...values, 'tls.key': String(createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' })) }
}

/** Waits for a Secret; what keeps it from being written is in the error. */
function written({ kube, secret }: SyncLab, name: string): Promise<unknown> {
  const ask = async () => {
    if ((await secret(name)) !== undefined) return true
    const { items } = await kube.list(resources.events, { namespace: 'default' })
    throw new Error(items.map(({ reason, message }) => `${reason}: ${message}`).join('\n'))
  }
  return until(name, ask, { everyMs: 100 })
}

async function casesOf(t: TestContext, lab: SyncLab): Promise<Record<string, Case>> {
  const { azure, vault, callVault, identity } = lab
  const [group = ''] = identity.id.split('/providers/')
  await azure.assignRole('Key Vault Crypto User', identity.principalId, group)
  const set = (name: string, value: string) => azure.setSecret(vault, name, value)
  const first = await set('db', 'p4ss-old')
  await set('db', 'p4ss')
  const json = {
    name: { first: 'Tom' },
    friends: [{ first: 'Dale' }, { first: 'Roger' }],
    port: 5432,
    on: true,
    o: { a: [1] },
  }
  await set('person', JSON.stringify(json))
  await set('encoded', Buffer.from('\0\u00ffbytes', 'latin1').toString('base64'))
  await set('registry', '{"auths":{"r.example.com":{"auth":"c3R"}}}')
  await set('app-one', '1')
  await set('app-two', '2')
  await set('other', '3')
  const { key } = await callVault(vault, 'POST', '/keys/sign/create', { kty: 'RSA', key_size: 2048 })
  const { kty, n, e } = key as JsonWebKey
  const pem = createPublicKey({ key: { kty, n, e } as JsonWebKey, format: 'jwk' }).export({
    type: 'spki',
    format: 'pem',
  })
  const ref = (secretKey: string, remoteRef: object) => ({ secretKey, remoteRef })
  return {
    plain: {
      spec: { data: [ref('password', { key: 'db' }), ref('same', { key: 'secret/db' })] },
      expected: { password: 'p4ss', same: 'p4ss' },
    },
    pinned: {
      spec: { data: [ref('old', { key: 'db', version: first.split('/').at(-1) })] },
      expected: { old: 'p4ss-old' },
    },
    nested: {
      spec: {
        data: [
          ref('firstname', { key: 'person', property: 'name.first' }),
          ref('friend', { key: 'person', property: 'friends.1.first' }),
          ref('port', { key: 'person', property: 'port' }),
          ref('on', { key: 'person', property: 'on' }),
          ref('object', { key: 'person', property: 'o' }),
        ],
      },
      expected: { firstname: 'Tom', friend: 'Roger', port: '5432', on: 'true', object: '{"a":[1]}' },
    },
    decoded: {
      spec: { data: [ref('bytes', { key: 'encoded', decodingStrategy: 'Base64' })] },
      expected: { bytes: '\0\u00ffbytes' },
    },
    registry: {
      spec: {
        target: {
          template: { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': '{{ .r | toString }}' } },
        },
        data: [ref('r', { key: 'registry' })],
      },
      expected: { '.dockerconfigjson': '{"auths":{"r.example.com":{"auth":"c3R"}}}' },
      type: 'kubernetes.io/dockerconfigjson',
    },
    templated: {
      spec: {
        target: {
          template: {
            metadata: { labels: { example: 'label' } },
            data: { 'my-data': 'executed: {{ .one | upper }}|{{ index . "two-a" | b64enc }}{{ if .one }}!{{ end }}\n' },
          },
        },
        data: [ref('one', { key: 'db' }), ref('two-a', { key: 'person', property: 'name.first' })],
      },
      expected: { 'my-data': 'executed: P4SS|VG9t!\n' },
    },
    merged: {
      spec: {
        target: { template: { mergePolicy: 'Merge', data: { url: 'db://{{ .password }}' } } },
        data: [ref('password', { key: 'db' })],
      },
      expected: { password: 'p4ss', url: 'db://p4ss' },
    },
    replaced: {
      spec: {
        target: { template: { mergePolicy: 'Merge', data: { password: '{{ .password | upper }}' } } },
        data: [ref('password', { key: 'db' }), ref('same', { key: 'db' })],
      },
      expected: { password: 'P4SS', same: 'p4ss' },
    },
    tls: {
      spec: {
        target: {
          template: {
            type: 'kubernetes.io/tls',
            data: { 'tls.crt': '{{ .pfx | b64dec | pkcs12cert }}', 'tls.key': '{{ .pfx | b64dec | pkcs12key }}' },
          },
        },
        data: [ref('pfx', { key: 'secret/web' })],
      },
      expected: await certificateOf(t, lab),
      type: 'kubernetes.io/tls',
    },
    extracted: {
      spec: { dataFrom: [{ extract: { key: 'person' } }] },
      expected: {
        name: '{"first":"Tom"}',
        friends: '[{"first":"Dale"},{"first":"Roger"}]',
        port: '5432',
        on: 'true',
        o: '{"a":[1]}',
      },
    },
    found: {
      spec: { dataFrom: [{ find: { name: { regexp: '^app-' } } }] },
      expected: { 'app-one': '1', 'app-two': '2' },
    },
    'public-key': {
      spec: {
        target: { template: { data: { pub: '{{ .jwk | jwkPublicKeyPem }}' } } },
        data: [ref('jwk', { key: 'key/sign' })],
      },
      expected: { pub: String(pem) },
    },
  }
}

/** A certificate in the vault, as openssl reads its PFX. */
async function certificateOf(t: TestContext, { vault, callVault }: SyncLab): Promise<Record<string, string>> {
  await callVault(vault, 'POST', '/certificates/web/create', {
    policy: {
      key_props: { exportable: true, kty: 'RSA', key_size: 2048 },
      secret_props: { contentType: 'application/x-pkcs12' },
      x509_props: { subject: 'CN=web' },
      issuer: { name: 'Self' },
    },
  })
  await until('the certificate', async () => {
    const { status } = await callVault(vault, 'GET', '/certificates/web/pending')
    return status === 'completed'
  })
  const { value } = await callVault(vault, 'GET', '/secrets/web')
  const openssl = createOpenssl(t)
  writeFileSync(openssl.path('web.pfx'), Buffer.from(String(value), 'base64'))
  const part = (words: readonly string[]) => {
    const text = openssl
      .run(['pkcs12', '-in', openssl.path('web.pfx'), '-passin', 'pass:', '-nodes', ...words])
      .toString()
    return text.slice(text.indexOf('-----BEGIN'))
  }
  return { 'tls.crt': part(['-nokeys']), 'tls.key': part(['-nocerts']) }
}

const group = 'external-secrets.io'
const kinds = {
  ExternalSecret: { group, version: 'v1', plural: 'externalsecrets', kind: 'ExternalSecret', namespaced: true },
  SecretStore: { group, version: 'v1', plural: 'secretstores', kind: 'SecretStore', namespaced: true },
  ClusterSecretStore: {
    group,
    version: 'v1',
    plural: 'clustersecretstores',
    kind: 'ClusterSecretStore',
    namespaced: false,
  },
  // In which the operator keeps notes about generators; it lists them for every dataFrom.
  GeneratorState: {
    group: `generators.${group}`,
    version: 'v1alpha1',
    plural: 'generatorstates',
    kind: 'GeneratorState',
    namespaced: true,
  },
} as const satisfies Record<string, Resource>

/** The operator's objects: a store, and an ExternalSecret for each case. */
async function createOld({ kube, azure, vault, identity }: SyncLab, cases: Record<string, Case>): Promise<void> {
  for (const { plural, kind, namespaced, group, version: name } of Object.values(kinds)) {
    const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
    const version = { name, served: true, storage: true, schema, subresources: { status: {} } }
    const names = { plural, kind, singular: kind.toLowerCase(), listKind: `${kind}List` }
    const spec = { group, scope: namespaced ? 'Namespaced' : 'Cluster', names, versions: [version] }
    const metadata = { name: `${plural}.${group}` }
    const definition = { apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadata, spec }
    await kube.create(resources.customResourceDefinitions, definition)
  }
  const annotations = {
    'azure.workload.identity/client-id': identity.clientId,
    'keymount.dev/sync-classes': 'found-km',
  }
  await kube.patch(resources.serviceAccounts, { namespace: 'default', name: 'app' }, { metadata: { annotations } })
  const azurekv = {
    authType: 'WorkloadIdentity',
    vaultUrl: `https://${vault}.vault.azure.net`,
    tenantId: azure.administrator.tenantId,
    environmentType: 'PublicCloud',
    serviceAccountRef: { name: 'app' },
  }
  await create(kube, 'SecretStore', 'vault', { provider: { azurekv } })
  for (const [name, { spec }] of Object.entries(cases)) {
    const common = { refreshInterval: '1h', secretStoreRef: { name: 'vault', kind: 'SecretStore' } }
    await create(kube, 'ExternalSecret', name, {
      ...common,
      target: { name, creationPolicy: 'Owner' },
      ...withTarget(spec, name),
    })
  }
}

/** With what the API server fills in by the operator's definitions. */
function withTarget(spec: Record<string, unknown>, name: string): Record<string, unknown> {
  const target = spec.target as { template?: Record<string, unknown> } | undefined
  if (target === undefined) return spec
  const template = { engineVersion: 'v2', mergePolicy: 'Replace', ...target.template }
  return { ...spec, target: { name, creationPolicy: 'Owner', deletionPolicy: 'Retain', ...target, template } }
}

async function create(kube: SyncLab['kube'], kind: keyof typeof kinds, name: string, spec: object): Promise<void> {
  const object = { apiVersion: `${group}/v1`, kind, metadata: { name, namespace: 'default' }, spec }
  await kube.create<UntypedObject>(kinds[kind], object)
}

async function createExpected({ kube }: SyncLab, cases: Record<string, Case>): Promise<void> {
  for (const [name, { expected, type = 'Opaque' }] of Object.entries(cases)) {
    const encoded = Object.entries(expected).map(([key, value]) => [
      key,
      Buffer.from(value, 'latin1').toString('base64'),
    ])
    const data = Object.fromEntries(encoded) as Record<string, string>
    await kube.create(resources.secrets, {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name, namespace: 'default' },
      type,
      data,
    })
  }
}

async function runOperator(t: TestContext, lab: SyncLab, cases: Record<string, Case>): Promise<void> {
  const { azure, cluster } = lab
  const env = {
    KUBECONFIG: cluster.kubeconfig,
    HTTPS_PROXY: azure.proxyUrl,
    NO_PROXY: '127.0.0.1,localhost',
    SSL_CERT_FILE: azure.caFile,
    HOME: temporaryDirectory(t),
  }
  const process = spawn(operator ?? '', [], { env, stdio: ['ignore', 'ignore', 'pipe'] })
  let log = ''
  process.stderr.on('data', (chunk: Buffer) => {
    log = `${log}${chunk.toString('utf8')}`.slice(-8000)
  })
  t.after(() => process.kill('SIGKILL'))
  for (const name of Object.keys(cases))
    await until(
      `the operator to write ${name}`,
      async () => {
        if ((await lab.secret(name)) !== undefined) return true
        throw new Error(log)
      },
      { everyMs: 200 },
    )
}

async function apply({ kube }: SyncLab, out: string): Promise<void> {
  const found: Record<string, Resource> = {
    SecretProviderClass: resources.secretProviderClasses as unknown as Resource,
    SecretSync: resources.secretSyncs as unknown as Resource,
  }
  for (const file of globSync('**/*.yaml', { cwd: out }).toSorted())
    for (const document of parseAllDocuments(readFileSync(join(out, file), 'utf8'))) {
      const object = document.toJS() as UntypedObject
      const resource = found[object.kind ?? '']
      assert.ok(resource, object.kind)
      await kube.create(resource, object)
    }
}

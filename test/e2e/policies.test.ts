/**
 * The policies of the chart that check classes without a webhook, on a real API server: each admits what is right, and warns of or
 * refuses what is wrong. Requests are dry runs of kubectl, which prints warnings.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { chartDirectory, type Manifest, template } from '../packaging/charts/helm.ts'
import { until } from '../support/eventually.ts'
import { findKubectl, type Kubectl, kubectlFor, kubectlMissing } from '../support/kubectl.ts'
import { noHelm, realClusterOnly } from './real-cluster-only.ts'

const program = findKubectl()
const options = realClusterOnly(
  'the local cluster evaluates only a part of CEL',
  noHelm,
  program === undefined ? kubectlMissing : undefined,
)

const unique = randomBytes(3).toString('hex')
const shop = `e2e-policies-shop-${unique}`
const other = `e2e-policies-other-${unique}`
const driver = `e2e-${unique}.csi.keymount.dev`

interface ClassParts {
  parameters?: Record<string, string | undefined>
  objects?: string
  namespace?: string
  spec?: object
}

function classOf({ parameters = {}, objects, namespace = shop, spec = {} }: ClassParts): object {
  const all = { keyvaultName: 'shop-kv', tenantID: 'contoso.com', objects: objects ?? entry(''), ...parameters }
  return {
    apiVersion: 'secrets-store.csi.x-k8s.io/v1',
    kind: 'SecretProviderClass',
    metadata: { name: 'app', namespace },
    spec: { provider: 'azure', parameters: JSON.parse(JSON.stringify(all)) as object, ...spec },
  }
}

const entry = (more: string) => `array:\n  - |\n    objectName: a\n    objectType: secret\n${more}`

const vaults = (name: string) => `  - {objectName: a, objectType: secret, vault: ${name}}\n`.repeat(1100)

function podOf(attributes: Record<string, string>): object {
  const csi = { driver, readOnly: true, volumeAttributes: { secretProviderClass: 'app', ...attributes } }
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'app', namespace: shop },
    spec: { containers: [{ name: 'app', image: 'example.com/app' }], volumes: [{ name: 'v', csi }] },
  }
}

function syncOf(type: string | undefined, keys: readonly string[] = ['a']): object {
  return {
    apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
    kind: 'SecretSync',
    metadata: { name: 'app', namespace: shop },
    spec: {
      secretProviderClassName: 'app',
      serviceAccountName: 'app',
      secretObject: { type, data: keys.map((targetKey) => ({ sourcePath: 'a', targetKey })) },
    },
  }
}

const pem = '-----BEGIN PRIVATE KEY-----\nMII'

const good: [what: string, object: object][] = [
  ['a class', classOf({})],
  ['a class with every identity but the node’s', classOf({ parameters: { usePodIdentity: 'true' } })],
  ['a class with modes for owner and group', classOf({ objects: entry('    filePermission: "0440"\n') })],
  ['a class with a mode that others may read', classOf({ objects: entry('    filePermission: 0644\n') })],
  ['another vault of the namespace', classOf({ objects: entry('    vault: shared-kv\n') })],
  ['a vault in quotes and in capitals', classOf({ objects: entry('    "vault": \'Shared-KV\' # shared\n') })],
  ['an object that is named after a vault', classOf({ objects: entry('    objectAlias: vault-token\n') })],
  ['the vault of all other namespaces', classOf({ namespace: other, parameters: { keyvaultName: 'shared-kv' } })],
  ['a class of another provider', classOf({ spec: { provider: 'vault', parameters: { roleName: 'x' } } })],
  [
    'a Secret of an allowed type',
    classOf({ spec: { secretObjects: [{ secretName: 's', type: 'Opaque', data: [] }] } }),
  ],
  [
    'objects of 60 KiB',
    classOf({ objects: `${entry('')}${'  - |\n    objectName: a\n    objectType: secret\n'.repeat(1300)}` }),
  ],
  ['objects of 60 KiB that name vaults', classOf({ objects: `${entry('')}${vaults('shop-kv')}` })],
  ['a pod that only names its class', podOf({})],
  ['a SecretSync', syncOf('Opaque')],
  ['a SecretSync with a certificate', syncOf('kubernetes.io/tls', ['tls.crt', 'tls.key'])],
]

/** Ways to hide a vault from a policy, which reads the text of objects by expressions. */
const unreadable: Readonly<Record<string, string>> = {
  'a vault by an alias': '- {objectName: &v pay-kv, objectType: secret, vault: *v}',
  'a vault by an escape': '- {objectName: a, objectType: secret, "va\\u0075lt": pay-kv}',
  'a vault in quotes within quotes': "- '{objectName: a, objectType: secret, ''vault'': pay-kv}'\n",
  'a vault in quotes within quotes, after an empty line':
    "- '{objectName: a, objectType: secret, ''vault''\n\n    : pay-kv}'\n",
  'a selector of a vault in quotes within quotes': "- '{objectType: secret, select: {all: true}, ''vault'': pay-kv}'\n",
  'a vault in the next line': entry('    vault:\n      pay-kv\n'),
  'a vault as an explicit key': '- objectName: a\n  objectType: secret\n  ? vault # x\n  : pay-kv\n',
  'a vault with a comment before the colon': '- {objectName: a, objectType: secret, vault # x\n   : pay-kv}',
}

type Refused = [what: string, object: object, message: RegExp]

const bad: readonly Refused[] = [
  ['the provider in capitals', classOf({ spec: { provider: 'Azure' } }), /spec\.provider: expected azure/],
  ['no vault', classOf({ parameters: { keyvaultName: undefined } }), /keyvaultName: expected the name of a vault/],
  [
    'the address of a vault',
    classOf({ parameters: { keyvaultName: 'https://shop-kv.vault.azure.net' } }),
    /no address|may use the vaults/,
  ],
  ['no objects', classOf({ parameters: { objects: undefined } }), /objects: missing/],
  ['objects without an object', classOf({ objects: 'array: []' }), /names no object/],
  ['objects of 70 KiB', classOf({ objects: entry(`#${'x'.repeat(70_000)}\n`) }), /longer than 64 KiB/],
  ['objects of 250 KiB', classOf({ objects: entry(`#${'x'.repeat(250_000)}\n`) }), /longer than 64 KiB/],
  ['two identities', classOf({ parameters: { usePodIdentity: 'true', useAzureTokenProxy: 'True' } }), /only one of/],
  ['a boolean that is not one', classOf({ parameters: { usePodIdentity: 'yes' } }), /are booleans/],
  ['a credential', classOf({ parameters: { clientSecret: 'x' } }), /looks like a credential/],
  ['a private key', classOf({ parameters: { extra: pem } }), /private key or a token/],
  [
    '100 parameters',
    classOf({ parameters: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`p${i}`, 'x'])) }),
    /at most 64/,
  ],
  ['a mode with rights to write', classOf({ objects: entry('    filePermission: "0666"\n') }), /write or execute/],
  [
    'a mode with rights to execute, without quotes',
    classOf({ objects: entry('    filePermission: 0777') }),
    /write or execute/,
  ],
  [
    'a Secret that becomes a token',
    classOf({ spec: { secretObjects: [{ secretName: 's', type: 'bootstrap.kubernetes.io/token' }] } }),
    /gives Secrets of these types rights/,
  ],
  [
    'the identity of the node',
    classOf({ parameters: { useVMManagedIdentity: 'true' } }),
    /every pod of a node can use its identities/,
  ],
  [
    'a vault of another namespace',
    classOf({ parameters: { keyvaultName: 'pay-kv' } }),
    /may use the vaults shop-kv, shared-kv; found pay-kv/,
  ],
  [
    'a fallback vault of another namespace',
    classOf({ parameters: { fallbackKeyvaultName: 'pay-kv' } }),
    /found pay-kv/,
  ],
  ['a vault of one namespace in another', classOf({ namespace: other }), /may use the vaults shared-kv; found shop-kv/],
  ['the vault of an object', classOf({ objects: entry('    vault: pay-kv\n') }), /found pay-kv/],
  [
    'the vault of an object, in JSON',
    classOf({ objects: '[{"objectName":"a","objectType":"secret","vault":"pay-kv"}]' }),
    /found pay-kv/,
  ],
  ...Object.entries(unreadable).map(([what, objects]): Refused => [what, classOf({ objects }), /cannot be read/]),
  [
    '60 KiB of vaults of others',
    classOf({ objects: `${entry('')}${vaults('pay-kv')}` }),
    /namespace may not use|found pay-kv/,
  ],
  ['a volume that sets the vault', podOf({ keyvaultName: 'pay-kv' }), /must not set the vault/],
  ['a SecretSync that becomes a token', syncOf('kubernetes.io/service-account-token'), /expected one of Opaque/],
  ['a SecretSync without a key', syncOf('kubernetes.io/tls', ['tls.crt']), /needs the keys tls\.crt and tls\.key/],
]

describe('policies without a webhook', options, () => {
  let kubectl: Kubectl
  let installed: readonly Manifest[] = []

  const apply = async (objects: readonly object[]) => {
    const { status, stderr } = await kubectl(['apply', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: objects })
    assert.equal(status, 0, stderr)
  }
  const dryRun = (object: object) => kubectl(['create', '--dry-run=server', '-f', '-'], object)

  const install = async (action: string) => {
    const vaults = { [shop]: ['shop-kv', 'Shared-kv'], '*': ['shared-kv'] }
    const values = {
      policies: { enabled: true, action, forbidNodeIdentities: true, vaults },
      sync: { enabled: true },
      driver: { name: driver },
    }
    const rendered = await template(values, { namespace: shop })
    installed = rendered.filter(
      ({ kind, metadata: { name } }) =>
        (/^ValidatingAdmissionPolicy/.test(kind) && name.startsWith('keymount-')) ||
        (kind === 'ConfigMap' && name === 'keymount-vaults'),
    )
    assert.equal(installed.length, 11)
    await apply(installed)
  }

  before(async () => {
    kubectl = kubectlFor(program ?? '', { kubeconfig: process.env.KUBECONFIG ?? '', cacheDir: '/tmp' })
    const definitions = ['crds/secretproviderclasses.yaml', 'sync-crds/secretsyncs.yaml'].map(
      (file) => parse(readFileSync(join(chartDirectory, 'files', file), 'utf8')) as object,
    )
    const namespaces = [shop, other].map((name) => ({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }))
    await apply([...namespaces, ...definitions])
    await install('Deny')
    await until('the policies refuse', async () => {
      const attempts = [
        classOf({ parameters: { keyvaultName: undefined } }),
        podOf({ keyvaultName: 'x' }),
        syncOf('kubernetes.io/service-account-token'),
      ]
      return (await Promise.all(attempts.map(dryRun))).every(({ status }) => status !== 0)
    })
  })

  after(async () => {
    await kubectl(['delete', '--ignore-not-found', '-f', '-'], { apiVersion: 'v1', kind: 'List', items: installed })
    await kubectl(['delete', '--wait=false', 'namespace', shop, other])
  })

  for (const [what, object] of good) {
    test(`with Deny, ${what} is admitted without a warning`, async () => {
      const { status, stderr } = await dryRun(object)
      assert.deepEqual([status, stderr], [0, ''])
    })
  }

  for (const [what, object, message] of bad) {
    test(`with Deny, ${what} is refused with the reason`, async () => {
      const { status, stderr } = await dryRun(object)
      assert.equal(status, 1)
      assert.match(stderr, message)
      assert.doesNotMatch(stderr, /cost limit|no such key|error evaluating|expression .* resulted in error/)
    })
  }

  test('the API server finds the types of all expressions right', async () => {
    await until('types are checked', async () => {
      const { stdout } = await kubectl(['get', 'validatingadmissionpolicies', '-o', 'json'])
      const { items } = JSON.parse(stdout) as {
        items: { metadata: { name: string }; status?: { typeChecking?: object } }[]
      }
      const own = items.filter(({ metadata }) => metadata.name.startsWith('keymount-'))
      return own.length === 5 && own.every(({ status }) => status?.typeChecking !== undefined)
    })
    const { stdout } = await kubectl(['get', 'validatingadmissionpolicies', '-o', 'json'])
    assert.doesNotMatch(stdout, /expressionWarnings/)
  })

  test('with Warn, what is wrong is admitted with a warning, and what is right without', async () => {
    await install('Warn')
    await until('the policies warn', async () => (await dryRun(bad[0]?.[1] ?? {})).status === 0)
    for (const [what, object, message] of bad) {
      const { status, stderr } = await dryRun(object)
      assert.equal(status, 0, `${what}: ${stderr}`)
      assert.match(stderr, /^Warning: /, what)
      assert.match(stderr, message, what)
    }
    for (const [what, object] of good) assert.equal((await dryRun(object)).stderr, '', what)
  })
})

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { configOf } from '../../../test/support/config-of.ts'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { webhookProgram } from './config.ts'

const tenant = { AZURE_TENANT_ID: 'tenant' }
const tokenEndpoint = ['--custom-token-endpoint-annotation-suffix=x', '--custom-token-endpoint-audience=api://x']

function webhookOf(argv: string[] = [], env: Record<string, string> = {}) {
  return configOf(webhookProgram, argv, { ...tenant, ...env }).webhook
}

test('the defaults are those of upstream', () => {
  const { address, healthAddress, metricsAddress, certificates, minVersion, settings } = webhookOf()
  assert.deepEqual([address.port, healthAddress?.port, metricsAddress?.port], [9443, 9440, 8095])
  assert.deepEqual(certificates, { kind: 'own', namespace: 'azure-workload-identity-system' })
  assert.equal(minVersion, 'TLSv1.3')
  assert.equal(settings.audience, 'api://AzureADTokenExchange')
  assert.equal(settings.tokenEndpoint, undefined)
})

test('with certificates of other software, their directory is read', () => {
  const { certificates } = webhookOf(['--disable-cert-rotation', '--webhook-cert-dir=/c'])
  assert.deepEqual(certificates, { kind: 'files', directory: '/c' })
})

describe('the authority host', () => {
  for (const [cloud, host] of [
    ['', 'https://login.microsoftonline.com/'],
    ['AzurePublicCloud', 'https://login.microsoftonline.com/'],
    ['azurecloud', 'https://login.microsoftonline.com/'],
    ['AzureUSGovernmentCloud', 'https://login.microsoftonline.us/'],
    ['AzureUSGovernment', 'https://login.microsoftonline.us/'],
    ['AzureChinaCloud', 'https://login.chinacloudapi.cn/'],
    ['AzureGermanCloud', 'https://login.microsoftonline.de/'],
  ] as const) {
    test(`of "${cloud}" is ${host}`, () => {
      assert.equal(webhookOf([], { AZURE_ENVIRONMENT: cloud }).settings.authorityHost, host)
    })
  }

  test('of a cloud of your own comes from its file', (t) => {
    const file = join(temporaryDirectory(t), 'cloud.json')
    writeFileSync(
      file,
      JSON.stringify({ activeDirectoryEndpoint: 'https://login.stack/', keyVaultDNSSuffix: 'vault.stack' }),
    )
    const env = { AZURE_ENVIRONMENT: 'AzureStackCloud', AZURE_ENVIRONMENT_FILEPATH: file }
    assert.equal(webhookOf([], env).settings.authorityHost, 'https://login.stack/')
  })
})

test('classes are checked where the flag enables it', () => {
  assert.equal(webhookOf().classChecks, 'off')
  for (const mode of ['off', 'warn', 'refuse']) assert.equal(webhookOf([`--class-checks=${mode}`]).classChecks, mode)
  assert.throws(
    () => webhookOf(['--class-checks=deny']),
    /--class-checks: found "deny", expected one of off, warn, refuse/,
  )
})

test('the proxy sidecar is a program of the same image, unless another one is named', () => {
  const { image, initImage } = webhookOf().settings.proxy
  assert.match(image, /^ghcr\.io\/keymount\/keymount:\d/)
  assert.equal(initImage, image)
  const named = webhookOf([], { PROXY_IMAGE: 'proxy:1', PROXY_INIT_IMAGE: 'init:1' }).settings.proxy
  assert.deepEqual([named.image, named.initImage], ['proxy:1', 'init:1'])
})

test('more flags of the proxy sidecar come from PROXY_ARGS', () => {
  assert.deepEqual(webhookOf().settings.proxy.extraArgs, [])
  assert.deepEqual(webhookOf([], { PROXY_ARGS: ' --a=1  --b ' }).settings.proxy.extraArgs, ['--a=1', '--b'])
})

test('the resources of the proxy sidecar and of its init step are JSON in PROXY_RESOURCES and PROXY_INIT_RESOURCES', () => {
  const resources = { requests: { cpu: '10m', memory: '32Mi' }, limits: { memory: '128Mi', cpu: 1 } }
  const { proxy } = webhookOf([], { PROXY_RESOURCES: JSON.stringify(resources), PROXY_INIT_RESOURCES: '{}' }).settings
  assert.deepEqual([proxy.resources, proxy.initResources], [resources, undefined])
  assert.equal(webhookOf().settings.proxy.resources, undefined)
  for (const [text, message] of [
    ['10Mi', /PROXY_RESOURCES: found "10Mi", expected JSON such as/],
    ['[]', /PROXY_RESOURCES: found "\[\]", expected JSON such as/],
    ['{"limit":{}}', /PROXY_RESOURCES: found "limit", expected requests or limits/],
    ['{"limits":{"memory":{}}}', /PROXY_RESOURCES: limits: expected an amount for each name/],
  ] as const) {
    assert.throws(() => webhookOf([], { PROXY_RESOURCES: text }), message)
  }
})

test('client certificates are required where a file names their authority', (t) => {
  const file = join(temporaryDirectory(t), 'ca.pem')
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n')
  assert.equal(webhookOf().clients, undefined)
  const { clients } = webhookOf([`--client-ca-file=${file}`, '--client-names=a,b'])
  assert.deepEqual(clients?.names, ['a', 'b'])
  assert.throws(() => webhookOf(['--client-names=a']), /--client-names: needs --client-ca-file/)
  assert.throws(() => webhookOf(['--client-ca-file=/nowhere']), /--client-ca-file: cannot read \/nowhere/)
})

test('variables whose name begins with PROXY_ENV_ are for the proxy sidecar', () => {
  const env = { PROXY_ENV_HTTPS_PROXY: 'http://proxy:3128', PROXY_ENV_NO_PROXY: '', HTTP_PROXY: 'x' }
  assert.deepEqual(webhookOf([], env).settings.proxy.env, [{ name: 'HTTPS_PROXY', value: 'http://proxy:3128' }])
})

describe('refused', () => {
  const endpoint = tokenEndpoint
  const proxy = { AZURE_KUBERNETES_TOKEN_PROXY: 'https://proxy' }
  const rows: [what: string, argv: string[], env: Record<string, string>, message: RegExp][] = [
    ['no tenant', [], { AZURE_TENANT_ID: '' }, /required key AZURE_TENANT_ID missing value/],
    ['an unknown cloud', [], { AZURE_ENVIRONMENT: 'Moon' }, /AZURE_ENVIRONMENT: found "Moon"/],
    [
      'an unknown TLS version',
      ['--tls-min-version=1.4'],
      {},
      /--tls-min-version: found "1.4", expected one of 1.0, 1.1, 1.2, 1.3/,
    ],
    ['an unknown metrics backend', ['--metrics-backend=statsd'], {}, /--metrics-backend: found "statsd"/],
    ['an unknown log level', ['--log-level=loud'], {}, /--log-level: found "loud"/],
    ['no address', ['--webhook-addr=0'], {}, /--webhook-addr: expected HOST:PORT/],
    ['a suffix alone', endpoint.slice(0, 1), proxy, /--custom-token-endpoint-audience: missing/],
    ['an audience alone', endpoint.slice(1), proxy, /--custom-token-endpoint-annotation-suffix: missing/],
    [
      "Entra's audience",
      [...endpoint, '--custom-token-endpoint-audience=api://azureadtokenexchange'],
      proxy,
      /an audience other than that of Entra/,
    ],
    [
      'a suffix that makes no annotation',
      [...endpoint, '--custom-token-endpoint-annotation-suffix=a/b'],
      proxy,
      /is not a valid annotation/,
    ],
    [
      'a token endpoint without https',
      endpoint,
      { AZURE_KUBERNETES_TOKEN_PROXY: 'http://proxy' },
      /expected an https URL/,
    ],
    [
      'a token endpoint with a query',
      endpoint,
      { AZURE_KUBERNETES_TOKEN_PROXY: 'https://proxy?a' },
      /expected an https URL/,
    ],
    [
      'a selector without a signer',
      endpoint,
      { ...proxy, AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR: '{}' },
      /needs AZURE_KUBERNETES_CA_CTB_SIGNER_NAME/,
    ],
    [
      'a selector that is not JSON',
      endpoint,
      { ...proxy, AZURE_KUBERNETES_CA_CTB_SIGNER_NAME: 's', AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR: 'a=b' },
      /expected a LabelSelector as JSON/,
    ],
  ]
  for (const [what, argv, env, message] of rows) {
    test(what, () => assert.throws(() => webhookOf(argv, env), message))
  }
})

describe('a signer is used with a selector of', () => {
  const matchLabels = { a: 'b' }
  const matchExpressions = [{ key: 'c', operator: 'In', values: ['d'] }]
  for (const [what, selector] of [
    ['labels', { matchLabels }],
    ['expressions', { matchExpressions }],
    ['both', { matchLabels, matchExpressions }],
    [
      'an expression without values, which is for the API server to judge',
      { matchExpressions: [{ key: 'c', operator: 'In' }] },
    ],
  ] as const) {
    test(what, () => {
      const { settings } = webhookOf(tokenEndpoint, {
        AZURE_KUBERNETES_TOKEN_PROXY: 'https://proxy',
        AZURE_KUBERNETES_CA_CTB_SIGNER_NAME: 'example.com/signer',
        AZURE_KUBERNETES_CA_CTB_LABEL_SELECTOR: JSON.stringify(selector),
      })
      const trust = { kind: 'trustBundle', signerName: 'example.com/signer', labelSelector: selector }
      assert.deepEqual(settings.tokenEndpoint?.trust, trust)
    })
  }
})

describe('only one way to trust a token endpoint may be set:', () => {
  const ways = { DATA: 'x', CONFIGMAP_NAME: 'y', CTB_SIGNER_NAME: 'z' }
  for (const pair of [
    ['DATA', 'CONFIGMAP_NAME'],
    ['DATA', 'CTB_SIGNER_NAME'],
    ['CONFIGMAP_NAME', 'CTB_SIGNER_NAME'],
  ] as const) {
    test(`not ${pair.join(' with ')}`, () => {
      const env = Object.fromEntries(pair.map((name) => [`AZURE_KUBERNETES_CA_${name}`, ways[name]]))
      const proxy = { AZURE_KUBERNETES_TOKEN_PROXY: 'https://proxy' }
      assert.throws(() => webhookOf(tokenEndpoint, { ...proxy, ...env }), /only one of them may be set/)
    })
  }
})

test('the metrics backend is prometheus, in any case', () => {
  for (const backend of ['prometheus', 'Prometheus', 'PROMETHEUS']) webhookOf([`--metrics-backend=${backend}`])
})

test('Secret and Service are in the namespace of POD_NAMESPACE, by default that of upstream', () => {
  const own = (namespace: string) => ({ kind: 'own', namespace })
  assert.deepEqual(webhookOf([], { POD_NAMESPACE: 'mine' }).certificates, own('mine'))
  assert.deepEqual(webhookOf([], { POD_NAMESPACE: '' }).certificates, own('azure-workload-identity-system'))
})

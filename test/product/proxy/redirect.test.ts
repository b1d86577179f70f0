import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import {
  type NetworkNamespace,
  type RunOptions,
  reasonForNoNamespace,
  startNetworkNamespace,
} from '../../support/network-namespace.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** The init step on the real kernel, in a network namespace as that of a pod. */
const skip = reasonForNoNamespace()
const options = skip === undefined ? {} : { skip }

const keymount = [process.execPath, resolve(import.meta.dirname, '../../../src/bin/cli.ts')]
const bothCapabilities = ['net_admin', 'net_raw']

function init(namespace: NetworkNamespace, options_: RunOptions = {}) {
  return namespace.run([...keymount, 'proxy-init'], { capabilities: bothCapabilities, ...options_ })
}

async function rulesOf(namespace: NetworkNamespace, backend: 'nft' | 'legacy'): Promise<string[]> {
  const { stdout } = await namespace.run([`/usr/sbin/iptables-${backend}`, '-t', 'nat', '-S'])
  return stdout.split('\n').filter((line) => line.startsWith('-A'))
}

const expectedRules = (port: number) => [
  '-A OUTPUT -d 169.254.169.254/32 -p tcp -m tcp --dport 80 -j AZWI_PROXY_OUTPUT',
  '-A AZWI_PROXY_OUTPUT -m owner --uid-owner 1501 -j ACCEPT',
  '-A AZWI_PROXY_OUTPUT -j AZWI_PROXY_REDIRECT',
  `-A AZWI_PROXY_REDIRECT -p tcp -j REDIRECT --to-ports ${port}`,
]

/** Without a way to the address, no connection begins that could be redirected. */
async function addMetadataAddress(namespace: NetworkNamespace): Promise<void> {
  const { code, stderr } = await namespace.run(['ip', 'address', 'add', '169.254.169.254/32', 'dev', 'lo'])
  assert.equal(code, 0, stderr)
}

/** Servers at the address of IMDS in the namespace, and at others. */
async function startImds(namespace: NetworkNamespace): Promise<void> {
  await addMetadataAddress(namespace)
  const script = `
    const { createServer } = require('node:http')
    for (const [host, port] of [['169.254.169.254', 80], ['169.254.169.254', 81], ['127.0.0.1', 80]])
      createServer((request, response) => response.end('real IMDS, port ' + port)).listen(port, host)`
  namespace.start([process.execPath, '-e', script])
}

async function get(namespace: NetworkNamespace, url: string, uid = 0): Promise<string> {
  const script = `fetch(${JSON.stringify(url)}).then((r) => r.text()).then((text) => console.log(text))`
  const { stdout, stderr } = await namespace.run([process.execPath, '-e', script], { uid })
  assert.notEqual(stdout, '', stderr)
  return stdout.trim()
}

function startProxy(namespace: NetworkNamespace, uid: number): string[] {
  const env = { AZURE_TENANT_ID: 'tenant', AZURE_FEDERATED_TOKEN_FILE: '/nowhere' }
  const child = namespace.start([...keymount, 'proxy'], { uid, env })
  const lines: string[] = []
  if (child.stderr !== null) createInterface(child.stderr).on('line', (line) => lines.push(line))
  return lines
}

async function listening(lines: string[]): Promise<void> {
  await eventually(() => assert.match(lines.join('\n'), /"msg":"listening"/), 20_000)
}

/** From here on, the kernel seems to know nothing of nf_tables. */
async function hideNfTables(t: TestContext, namespace: NetworkNamespace): Promise<void> {
  const directory = temporaryDirectory(t)
  const script = join(directory, 'program')
  writeFileSync(
    script,
    '#!/bin/sh\necho "Could not fetch rule set generation id: Protocol not supported" >&2\nexit 4\n',
  )
  chmodSync(script, 0o755)
  const { code } = await namespace.run(['mount', '--bind', script, '/usr/sbin/xtables-nft-multi'])
  assert.equal(code, 0)
}

test('only the metadata address is redirected, and the proxy itself reaches it', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  await startImds(namespace)
  await eventually(
    async () => assert.equal(await get(namespace, 'http://169.254.169.254/'), 'real IMDS, port 80'),
    20_000,
  )
  const { code, stderr } = await init(namespace)
  assert.equal(code, 0, stderr)
  await listening(startProxy(namespace, 1501))
  // A token request is answered by the proxy: the IMDS here knows none.
  assert.match(
    await get(namespace, 'http://169.254.169.254/metadata/identity/oauth2/token'),
    /Required metadata header/,
  )
  // And so is any other, by way of the proxy.
  assert.equal(await get(namespace, 'http://169.254.169.254/metadata/instance'), 'real IMDS, port 80')
  assert.equal(await get(namespace, 'http://169.254.169.254:81/metadata/identity/oauth2/token'), 'real IMDS, port 81')
  assert.equal(await get(namespace, 'http://127.0.0.1/metadata/identity/oauth2/token'), 'real IMDS, port 80')
})

test(
  'a proxy that runs as another user reports it instead of sending requests to itself for ever',
  options,
  async (t) => {
    const namespace = await startNetworkNamespace(t)
    await addMetadataAddress(namespace)
    await init(namespace)
    await listening(startProxy(namespace, 2000))
    assert.match(await get(namespace, 'http://169.254.169.254/metadata/instance'), /"loop_detected".*1501/)
  },
)

test('an application has its answer soon where packets for IMDS are dropped', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  await addMetadataAddress(namespace)
  await init(namespace)
  // What is redirected has another address by then.
  const dropped = ['-d', '169.254.169.254', '-p', 'tcp', '--dport', '80', '-j', 'DROP']
  const { code } = await namespace.run(['/usr/sbin/iptables-nft', '-A', 'OUTPUT', ...dropped])
  assert.equal(code, 0)
  await listening(startProxy(namespace, 1501))
  assert.match(await get(namespace, 'http://169.254.169.254/metadata/instance'), /"bad_gateway".*within 2 s/)
})

test('a second run changes only what its environment changes', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  await namespace.run(['/usr/sbin/iptables-nft', '-t', 'nat', '-N', 'OF_OTHERS'])
  for (const port of [8000, 8000, 9000]) {
    const { code, stderr } = await init(namespace, { env: { PROXY_PORT: String(port) } })
    assert.equal(code, 0, stderr)
    assert.deepEqual(await rulesOf(namespace, 'nft'), expectedRules(port))
  }
  const { stdout } = await namespace.run(['/usr/sbin/iptables-nft', '-t', 'nat', '-S'])
  assert.match(stdout, /-N OF_OTHERS/)
})

test('NET_ADMIN is enough where the node has nf_tables', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  const { code, stderr } = await init(namespace, { capabilities: ['net_admin'] })
  assert.equal(code, 0, stderr)
  assert.match(stderr, /"filter":"nf_tables"/)
})

test('the older filter is taken where the node has no nf_tables', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  await hideNfTables(t, namespace)
  const refused = await init(namespace, { capabilities: ['net_admin'] })
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /nf_tables: .*Protocol not supported; legacy iptables: .*needs the capability NET_RAW/)
  for (let run = 0; run < 2; run++) {
    const { code, stderr } = await init(namespace)
    assert.equal(code, 0, stderr)
    assert.match(stderr, /"filter":"legacy iptables"/)
    assert.deepEqual(await rulesOf(namespace, 'legacy'), expectedRules(8000))
  }
})

test('without NET_ADMIN the error names what the container lacks', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  const { code, stderr } = await init(namespace, { capabilities: [] })
  assert.equal(code, 1)
  assert.match(stderr, /the capability NET_ADMIN is missing.*securityContext\.capabilities\.add/)
})

test('an environment that makes no sense is refused with everything that is wrong', options, async (t) => {
  const namespace = await startNetworkNamespace(t)
  const env = { PROXY_PORT: '0', PROXY_UID: 'root', METADATA_IP: '::1', METADATA_PORT: '80x' }
  const { code, stderr } = await init(namespace, { env })
  assert.equal(code, 2)
  for (const name of Object.keys(env)) assert.match(stderr, new RegExp(`${name}: found`))
})

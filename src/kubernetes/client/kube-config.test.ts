import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { inClusterConfig, loadKubeconfig } from './kube-config.ts'

function temporaryDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-kubeconfig-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return directory
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

const kubeconfig = (user: string) => `
apiVersion: v1
kind: Config
current-context: here
contexts:
  - { name: here, context: { cluster: c, user: u, namespace: team } }
clusters:
  - { name: c, cluster: { server: "https://10.0.0.1:6443/", certificate-authority-data: ${base64('CA')} } }
users:
  - name: u
    user: ${user}
`

function load(t: TestContext, user: string) {
  const directory = temporaryDirectory(t)
  const path = join(directory, 'config')
  writeFileSync(path, kubeconfig(user))
  return { directory, config: loadKubeconfig(path) }
}

test('loadKubeconfig() reads server, CA, namespace and an inline client certificate', (t) => {
  const { config } = load(t, `{ client-certificate-data: ${base64('CERT')}, client-key-data: ${base64('KEY')} }`)
  assert.deepEqual(config, { server: 'https://10.0.0.1:6443', namespace: 'team', ca: 'CA', cert: 'CERT', key: 'KEY' })
})

test('loadKubeconfig() takes files relative to the kubeconfig', (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'u.crt'), 'CERT')
  writeFileSync(join(directory, 'u.key'), 'KEY')
  writeFileSync(join(directory, 'config'), kubeconfig('{ client-certificate: u.crt, client-key: u.key }'))
  assert.equal(loadKubeconfig(join(directory, 'config')).cert, 'CERT')
})

test('loadKubeconfig() asks a credential plugin for the token and keeps it until it expires', async (t) => {
  const plugin = `{ exec: { apiVersion: client.authentication.k8s.io/v1, command: ${process.execPath}, args: ["-e", 'console.log(JSON.stringify({ status: { token: "t" + process.pid } }))'] } }`
  const { config } = load(t, plugin)
  const first = await config.token?.()
  assert.match(first ?? '', /^t\d+$/)
  assert.equal(await config.token?.(), first)
})

test('loadKubeconfig() names the entry that is missing and those that are there', (t) => {
  const path = join(temporaryDirectory(t), 'config')
  writeFileSync(path, kubeconfig('{}').replace('cluster: c,', 'cluster: d,'))
  assert.throws(() => loadKubeconfig(path), /clusters: has no entry named "d"; found: c/)
})

test('inClusterConfig() reads the token again after its time, because kubelet replaces the file', async (t) => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'ca.crt'), 'CA')
  writeFileSync(join(directory, 'namespace'), 'kube-system\n')
  writeFileSync(join(directory, 'token'), 'one\n')
  const clock = createManualClock()
  const config = inClusterConfig({ host: '10.96.0.1', port: '443', directory, clock, tokenTtlMs: 1000 })
  assert.equal(await config.token?.(), 'one')
  writeFileSync(join(directory, 'token'), 'two\n')
  assert.equal(await config.token?.(), 'one')
  // Also when the wall clock was set back meanwhile.
  clock.stepWallClock(-8 * 3_600_000)
  await clock.advance(1000)
  assert.equal(await config.token?.(), 'two')
  assert.equal(config.namespace, 'kube-system')
})

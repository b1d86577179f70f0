import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { inspect } from 'node:util'
import { createManualClock } from '../../../test/support/manual-clock.ts'
import { temporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { inClusterConfig, loadKubeconfig } from './kube-config.ts'

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
  const { server, namespace, ca, cert, key } = config
  assert.deepEqual(
    { server, namespace, ca, cert, key },
    { server: 'https://10.0.0.1:6443', namespace: 'team', ca: 'CA', cert: 'CERT', key: 'KEY' },
  )
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

test('a credential plugin runs once for calls that come together, again before its token expires, and whatever the wall clock does', async (t) => {
  const script =
    'console.log(JSON.stringify({ status: { token: "t" + process.pid, expirationTimestamp: process.env.EXPIRES } }))'
  const clock = createManualClock()
  const expires = new Date(clock.now() + 600_000).toISOString()
  const plugin = `{ exec: { command: ${process.execPath}, args: ["-e", '${script}'], env: [{ name: EXPIRES, value: "${expires}" }] } }`
  const path = join(temporaryDirectory(t), 'config')
  writeFileSync(path, kubeconfig(plugin))
  const { token } = loadKubeconfig(path, { clock })
  const [first, second] = await Promise.all([token?.(), token?.()])
  assert.equal(first, second)
  clock.stepWallClock(-8 * 3_600_000)
  await clock.advance(539_000)
  assert.equal(await token?.(), first)
  await clock.advance(2000)
  assert.notEqual(await token?.(), first)
})

test('a credential plugin that fails is reported with its own words, and never with what it printed', async (t) => {
  const cases: [plugin: string, code: string, message: RegExp][] = [
    ['command: /nowhere/kubelogin', 'plugin-not-found', /plugin \/nowhere\/kubelogin is not installed/],
    [
      'command: sh, args: ["-c", "echo planted; echo not signed in >&2; exit 3"]',
      'plugin-failed',
      /status 3: not signed in/,
    ],
    [`command: sh, args: ["-c", 'echo "{\\"status\\": {}}"']`, 'plugin-without-token', /printed no token/],
    [
      'command: sh, args: ["-c", "echo planted"]',
      'json-invalid',
      /the output of the credential plugin sh is not valid JSON: line 1/,
    ],
  ]
  for (const [plugin, code, message] of cases) {
    const { config } = load(t, `{ exec: { ${plugin} } }`)
    await assert.rejects(Promise.resolve(config.token?.()), (error: Error & { code: string }) => {
      assert.equal(error.code, code)
      assert.match(error.message, message)
      assert.doesNotMatch(error.message, /planted/)
      return true
    })
  }
})

test('loadKubeconfig() names everything that is missing, and the entries that are there', (t) => {
  const path = join(temporaryDirectory(t), 'config')
  writeFileSync(path, kubeconfig('{}').replace('cluster: c,', 'cluster: d,'))
  assert.throws(() => loadKubeconfig(path), /clusters: there is no entry named "d"; found: c/)
  writeFileSync(
    path,
    kubeconfig('{ client-certificate: absent.crt, exec: {} }').replace('"https://10.0.0.1:6443/"', '10.0.0.1'),
  )
  assert.throws(
    () => loadKubeconfig(path),
    (error: Error) => {
      assert.match(error.message, /clusters\.c\.server: is not an http or https URL/)
      assert.match(error.message, /client-certificate: cannot read .*absent\.crt/)
      assert.match(error.message, /users\[\]\.user\.exec\.command: missing/)
      return true
    },
  )
})

test('no error quotes a kubeconfig that is not valid', (t) => {
  const path = join(temporaryDirectory(t), 'config')
  for (const text of [
    'users:\n- token: planted\n token: planted: x',
    'planted',
    '- planted',
    '{"token": "planted',
    'a: &a [planted, *b]',
    '!planted',
  ]) {
    writeFileSync(path, text)
    assert.throws(
      () => loadKubeconfig(path),
      (error: Error) => !inspect(error, { depth: 9 }).includes('planted'),
      text,
    )
  }
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

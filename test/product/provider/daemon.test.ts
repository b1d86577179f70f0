import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { ServingStatus } from '#kubernetes/grpc'
import { sleep } from '#lib'
import { freePort } from '../../support/free-port.ts'
import { connectProvider, failureOf, objectsOf } from '../../support/provider.ts'
import { type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const program = join(import.meta.dirname, '../../../src/bin/provider.ts')

interface Daemon {
  child: ChildProcess
  socketPath: string
  /** Everything it wrote to standard output and error. */
  written: () => string
  exited: Promise<number | null>
}

function spawnProvider(
  t: TestContext,
  args: readonly string[],
  env: Record<string, string> = {},
): Omit<Daemon, 'socketPath'> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...args], {
    env: { PATH: process.env.PATH ?? '', ...env },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString('utf8')))
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  t.after(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return { child, written: () => text, exited }
}

/** The daemon as its DaemonSet starts it, reaching the lab by environment alone. */
async function startDaemon(
  t: TestContext,
  lab: ProviderLab,
  args: readonly string[] = [],
  trust: Record<string, string> = { SSL_CERT_FILE: lab.azure.caFile },
): Promise<Daemon> {
  const directory = temporaryDirectory(t)
  const socketPath = join(directory, 'azure.sock')
  const env = { HTTPS_PROXY: lab.azure.proxyUrl, NO_PROXY: '169.254.169.254', ...trust }
  const daemon = spawnProvider(
    t,
    [`--endpoint=unix:///${socketPath}`, '--healthz-port=0', '--prometheus-port=0', ...args],
    env,
  )
  await ready(daemon)
  return { ...daemon, socketPath }
}

async function ready({ written, exited }: Pick<Daemon, 'written' | 'exited'>): Promise<void> {
  const ended = exited.then(() => true)
  while (!written().includes('"msg":"ready"')) {
    const over = await Promise.race([ended, new Promise<false>((resolve) => setTimeout(() => resolve(false), 20))])
    if (over) throw new Error(`the provider ended: ${written()}`)
  }
}

test("the daemon takes upstream's flags, honours the environment, and prints no secret", async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'planted-value')
  await lab.azure.setSecret('shop-vault', 'odd', 'planted-odd-value')
  const [metricsPort, healthPort] = [await freePort(), await freePort()]
  const daemon = await startDaemon(t, lab, [
    '-v=5',
    '--logtostderr',
    '--log-format-json=true',
    '--construct-pem-chain=true',
    '--enable-pprof=false',
    `--prometheus-port=${metricsPort}`,
    `--healthz-port=${healthPort}`,
    '-healthz-path',
    '/healthz',
    '--healthz-timeout=5s',
  ])
  const { mount, version } = connectProvider(t, daemon.socketPath)
  assert.equal(statSync(daemon.socketPath).mode & 0o777, 0o700)
  assert.equal((await version()).version, 'v1alpha1')

  const request = (objects: string, more: Record<string, string> = {}) =>
    lab.request({ keyvaultName: 'shop-vault', clientID, objects, ...more })
  const good = await request(objectsOf({ objectName: 'db', objectType: 'secret' }))
  assert.equal((await mount(good)).files[0]?.contents.toString(), 'planted-value')
  const failures: string[] = []
  const fails = async (failing: Parameters<typeof mount>[0]) => failures.push((await failureOf(mount(failing))).details)
  await fails(await request(objectsOf({ objectName: 'odd', objectType: 'secret', objectEncoding: 'hex' })))
  await fails(await request(objectsOf({ objectName: 'odd', objectType: 'secret', jsonPath: '$.a' })))
  await fails(await request(objectsOf({ objectName: 'none', objectType: 'secret' })))
  await fails(await request(objectsOf({ objectName: 'db', objectType: 'secret' }), { clientID: 'unregistered' }))
  await fails({ ...good, secrets: '{"clientsecret":"planted-client-secret"' })
  await fails({ ...good, attributes: good.attributes?.slice(0, -1) ?? '' })
  const { clientId, clientSecret } = lab.azure.administrator
  const { attributes = '' } = await request(objectsOf({ objectName: 'db', objectType: 'secret' }), { clientID: '' })
  await mount({ attributes, secrets: JSON.stringify({ clientid: clientId, clientsecret: clientSecret }) })
  await fails({ attributes, secrets: JSON.stringify({ clientid: clientId, clientsecret: 'planted-client-secret' }) })

  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  for (const line of [
    /^keyvault_request_bucket\{object_type="secret",object_name="db",error="",provider="azure",os_type="linux",service_name="csi-secrets-store-provider-azure",le="0.1"\} \d+$/m,
    /^keyvault_request_count\{object_type="secret",object_name="none",error="vault-object-missing",/m,
    /^grpc_request_count\{grpc_method="\/v1alpha1.CSIDriverProvider\/Mount",grpc_code="NotFound",grpc_message="vault-object-missing",/m,
    /^grpc_request_count\{grpc_method="\/v1alpha1.CSIDriverProvider\/Mount",grpc_code="OK",grpc_message="",/m,
    /^keymount_provider_token_acquisitions_total\{kind="workload",outcome="ok",/m,
    /^keymount_provider_reads_total\{outcome="read",/m,
    /^keymount_provider_object_age_seconds\{object_type="secret",object_name="db",vault="shop-vault",/m,
  ]) {
    assert.match(metrics, line)
  }
  assert.equal((await fetch(`http://127.0.0.1:${metricsPort}/debug/pprof/`)).status, 404)
  const health = await fetch(`http://127.0.0.1:${healthPort}/healthz`)
  assert.deepEqual([health.status, await health.text()], [200, 'ok'])

  const token = JSON.parse(JSON.parse(attributes)['csi.storage.k8s.io/serviceAccount.tokens'])[
    'api://AzureADTokenExchange'
  ].token as string
  const everything = [daemon.written(), metrics, ...failures].join('\n')
  for (const secret of ['planted', clientSecret, token.slice(-40), 'Bearer ey']) {
    assert.ok(!everything.includes(secret), `${secret.slice(0, 8)}… is in the output of the provider`)
  }
  assert.match(
    daemon.written(),
    /"rpc":"\/v1alpha1.CSIDriverProvider\/Mount","pod":"default\/app-0","class":"app","vault":"shop-vault","durationMs":\d+,"code":"OK"/,
  )

  rmSync(daemon.socketPath)
  const lost = await fetch(`http://127.0.0.1:${healthPort}/healthz`)
  assert.equal(lost.status, 503)
  assert.match(await lost.text(), /socket does not answer/)
  daemon.child.kill('SIGTERM')
  assert.equal(await daemon.exited, 0)
})

test('the daemon trusts what SSL_CERT_FILE and NODE_EXTRA_CA_CERTS name, each alone and both, and no other', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'planted-value')
  const objects = objectsOf({ objectName: 'db', objectType: 'secret' })
  const ofLab = lab.azure.caFile
  const another = lab.issuer.caFile
  const mountWith = async (trust: Record<string, string>) => {
    const { mount } = connectProvider(t, (await startDaemon(t, lab, [], trust)).socketPath)
    return mount(await lab.request({ keyvaultName: 'shop-vault', clientID, objects }))
  }
  for (const trust of [
    { SSL_CERT_FILE: ofLab },
    { NODE_EXTRA_CA_CERTS: ofLab },
    { SSL_CERT_FILE: another, NODE_EXTRA_CA_CERTS: ofLab },
    { SSL_CERT_FILE: ofLab, NODE_EXTRA_CA_CERTS: another },
  ]) {
    assert.equal((await mountWith(trust)).files.length, 1, JSON.stringify(trust))
  }
  for (const trust of [{}, { SSL_CERT_FILE: another }]) {
    const { code, details } = await failureOf(mountWith(trust))
    assert.equal(code, status.UNAVAILABLE)
    assert.match(details, /\[entra-unreachable\].*no trusted TLS connection to login.microsoftonline.com/)
  }
})

test('a daemon that was killed leaves nothing in the way; one that lives is not pushed aside', async (t) => {
  const lab = await startProviderLab(t)
  const daemon = await startDaemon(t, lab)
  const args = [`--endpoint=unix://${daemon.socketPath}`, '--healthz-port=0', '--prometheus-port=0']
  const second = spawnProvider(t, args)
  assert.equal(await second.exited, 1)
  assert.match(second.written(), /another process answers on this socket/)
  daemon.child.kill('SIGKILL')
  await daemon.exited
  const third = spawnProvider(t, args)
  await ready(third)
  assert.equal(await connectProvider(t, daemon.socketPath).health(), ServingStatus.SERVING)
})

test('a mount in progress is answered before the daemon stops', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  await lab.azure.control('PUT', '/delay', { ms: 300 })
  const daemon = await startDaemon(t, lab)
  const { mount } = connectProvider(t, daemon.socketPath)
  const mounted = mount(
    await lab.request({
      keyvaultName: 'shop-vault',
      clientID,
      objects: objectsOf({ objectName: 'db', objectType: 'secret' }),
    }),
  )
  await sleep(100)
  daemon.child.kill('SIGTERM')
  assert.equal((await mounted).files.length, 1)
  assert.equal(await daemon.exited, 0)
})

test('a caller that leaves ends its own mount and not that of others', async (t) => {
  const lab = await startProviderLab(t)
  const { clientId: clientID } = await lab.createReadableVault('shop-vault')
  await lab.azure.setSecret('shop-vault', 'db', 'x')
  await lab.azure.control('PUT', '/delay', { ms: 300 })
  const { mount } = await lab.startProvider()
  const request = await lab.request({
    keyvaultName: 'shop-vault',
    clientID,
    objects: objectsOf({ objectName: 'db', objectType: 'secret' }),
  })
  const impatient = failureOf(mount(request, { timeoutMs: 100 }))
  const patient = mount(request)
  assert.equal((await impatient).code, status.DEADLINE_EXCEEDED)
  assert.equal((await patient).files.length, 1)
})

test('a wrong command line is explained at once, with everything that is wrong', async (t) => {
  const rows: [string[], Record<string, string>, RegExp][] = [
    [['--endpoint=udp://x'], {}, /--endpoint: found "udp:\/\/x", expected unix:\/\/PATH or tcp:\/\/HOST:PORT/],
    [['--endpoint=unix://'], {}, /--endpoint: found "unix:\/\/"/],
    [['--managed-identities=some'], {}, /--managed-identities: found "some", expected any, none, or client ids/],
    [['--clod-name=x'], {}, /--clod-name: unknown flag \(did you mean --cloud-name\?\)/],
    [
      ['--cloud-name=Mars', '--metrics-backend=otel'],
      {},
      /(?=.*--metrics-backend: found "otel")(?=.*--cloud-name: found "Mars", expected one of AzurePublicCloud)/,
    ],
    [['--read-share=5'], {}, /--read-share: found "5", expected a duration/],
    [['--prometheus-port=70000'], {}, /--prometheus-port: found "70000", expected a port/],
    [['--metrics-addr=8898'], {}, /--metrics-addr: found "8898", expected HOST:PORT or :PORT/],
    [[], { SSL_CERT_FILE: '/nowhere.pem' }, /SSL_CERT_FILE: cannot read \/nowhere.pem/],
    [['--emulator-proxy=localhost'], {}, /--emulator-proxy: found "localhost"/],
  ]
  await Promise.all(
    rows.map(async ([args, env, words]) => {
      const { exited, written } = spawnProvider(t, args, env)
      assert.equal(await exited, 2, written())
      assert.match(written(), words)
    }),
  )
})

test('a port that is taken, or a file in the way of the socket, is named', async (t) => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, resolve))
  t.after(() => server.close())
  const directory = temporaryDirectory(t)
  const { port } = server.address() as AddressInfo
  const taken = spawnProvider(t, [
    `--endpoint=unix://${directory}/azure.sock`,
    '--healthz-port=0',
    `--prometheus-port=${port}`,
  ])
  assert.equal(await taken.exited, 1)
  assert.match(taken.written(), new RegExp(`cannot start: .*${port}`))
  writeFileSync(join(directory, 'file'), '')
  const blocked = spawnProvider(t, [`--endpoint=unix://${directory}/file`, '--healthz-port=0', '--prometheus-port=0'])
  assert.equal(await blocked.exited, 1)
  assert.match(blocked.written(), /there is a file that is not a socket; remove it/)
})

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { eventually } from '../../test/support/eventually.ts'

const program = join(import.meta.dirname, 'node.ts')

/** A cluster that does not answer: the daemons have to be up without it. */
const kubeconfig = `
current-context: nowhere
contexts: [{ name: nowhere, context: { cluster: nowhere, user: anonymous } }]
clusters: [{ name: nowhere, cluster: { server: 'https://127.0.0.1:9' } }]
users: [{ name: anonymous, user: { token: none } }]
`

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  server.close()
  await once(server, 'close')
  return address.port
}

test('driver and provider run in one process, find each other at the socket, and stop together', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'keymount-node-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  await writeFile(join(directory, 'kubeconfig'), kubeconfig)
  const providers = join(directory, 'providers')
  await mkdir(providers)
  const health = await freePort()
  const flags = [
    '--nodeid=node1',
    `--endpoint=unix://${directory}/csi.sock`,
    `--provider-endpoint=unix://${providers}/azure.sock`,
    `--provider-volume=${providers}`,
    `--additional-provider-volume-paths=${directory}/none`,
    `--registration-dir=${directory}/none`,
    `--kubeconfig=${directory}/kubeconfig`,
    `--health-addr=127.0.0.1:${health}`,
    '--healthz-port=0',
    '--metrics-addr=0',
    '--prometheus-port=0',
  ]
  const daemon: ChildProcess = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...flags], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  t.after(() => daemon.kill('SIGKILL'))

  await eventually(async () => {
    const answer = await fetch(`http://127.0.0.1:${health}/readyz`)
    assert.deepEqual(await answer.json(), { csi: 'ok', registration: 'ok', providers: { azure: 'ok' } })
  }, 20_000)

  daemon.kill('SIGTERM')
  const [code] = await once(daemon, 'exit')
  assert.equal(code, 0)
})

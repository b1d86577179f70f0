import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { webhookNames } from '#product/webhook'
import { eventually } from '../../support/eventually.ts'
import { namespace, podReview, samplePod, startWebhookLab } from './webhook-lab.ts'

const program = resolve(import.meta.dirname, '../../../src/bin/cli.ts')

/** `keymount controller`, as the image runs it; its log lines are kept. */
function startDaemon(t: TestContext, flags: string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [program, 'controller', ...flags], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  createInterface({ input: child.stderr }).on('line', (line) => lines.push(line))
  return { child, lines, ended: once(child, 'exit') as Promise<[number | null]> }
}

test('the daemon serves, does not log its key, and ends cleanly at SIGTERM', async (t) => {
  const lab = await startWebhookLab(t)
  const metadata = { name: 'app', namespace: 'default' }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const addresses = ['webhook', 'health', 'metrics'].map((name) => `--${name}-addr=127.0.0.1:0`)
  const flags = [`--kubeconfig=${lab.kubeconfig}`, '--log-level=debug', '--drain-time=0s', ...addresses]
  const { child, lines, ended } = startDaemon(t, flags, { AZURE_TENANT_ID: 'tenant', POD_NAMESPACE: namespace })
  const { port } = await eventually(() => {
    const line = lines.find((text) => text.includes('"msg":"listening"'))
    assert.ok(line !== undefined, lines.join('\n'))
    return JSON.parse(line) as { port: number }
  })
  await eventually(async () => {
    const { body } = await lab.post(port, podReview(samplePod))
    assert.equal(body.response.allowed, true)
  })
  child.kill('SIGTERM')
  const [code] = await ended
  assert.equal(code, 0)
  const { data } = await lab.kube.get(resources.secrets, { name: webhookNames.secret, namespace })
  const key = Buffer.from(data?.['tls.key'] ?? '', 'base64').toString('utf8')
  const body = key.split('\n')[1] ?? ''
  assert.ok(body.length > 40)
  const log = lines.join('\n')
  for (const text of [body, data?.['tls.key'] ?? '']) assert.ok(!log.includes(text), 'the key is in the log')
})

test('--version prints the build as JSON, and nothing else happens', async (t) => {
  const { child, ended } = startDaemon(t, ['--version'], {})
  const text = Buffer.concat(await child.stdout.toArray()).toString('utf8')
  assert.deepEqual(Object.keys(JSON.parse(text) as object), [
    'buildVersion',
    'gitCommit',
    'buildDate',
    'nodeVersion',
    'platform',
  ])
  assert.equal((await ended)[0], 0)
})

test('a wrong command line ends the daemon with status 2 and every problem at once', async (t) => {
  const { lines, ended } = startDaemon(t, ['--tls-min-version=2', '--metrcs-addr=x'], {})
  const [code] = await ended
  assert.equal(code, 2)
  assert.match(lines.join('\n'), /--metrcs-addr: unknown flag \(did you mean --metrics-addr\?\)/)
})

test('a port that is taken ends the daemon with status 1 and its name', async (t) => {
  const lab = await startWebhookLab(t)
  const taken = `127.0.0.1:${(await lab.start()).metricsPort}`
  const flags = [
    `--kubeconfig=${lab.kubeconfig}`,
    '--webhook-addr=127.0.0.1:0',
    '--health-addr=0',
    `--metrics-addr=${taken}`,
  ]
  const { lines, ended } = startDaemon(t, flags, { AZURE_TENANT_ID: 'tenant', POD_NAMESPACE: namespace })
  const [code] = await ended
  assert.equal(code, 1)
  assert.match(lines.join('\n'), new RegExp(`EADDRINUSE.*${taken}`))
})

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { testGroup } from '../../support/local-azure.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { startMicLab } from './mic-lab.ts'

const cli = resolve(import.meta.dirname, '../../../src/bin/cli.ts')

/** `keymount mic` as a process of its own, and the lines of its log. */
function startProcess(
  t: TestContext,
  words: string[],
  env: Record<string, string>,
): { child: ChildProcess; log(): string } {
  const child = spawn(process.execPath, [cli, 'mic', ...words], { env: { PATH: process.env.PATH ?? '', ...env } })
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return { child, log: () => text }
}

test('the process works with azure.json, survives a half-written one, takes a new one, and gives its lease up', async (t) => {
  const lab = await startMicLab(t)
  await lab.mic.stop()
  const directory = temporaryDirectory(t)
  const file = join(directory, 'azure.json')
  const { administrator, proxyUrl, caFile } = lab.azure
  const config = {
    cloud: 'AzurePublicCloud',
    tenantId: administrator.tenantId,
    subscriptionId: administrator.subscriptionId,
    resourceGroup: testGroup,
    aadClientId: administrator.clientId,
    aadClientSecret: administrator.clientSecret,
  }
  writeFileSync(file, JSON.stringify(config))
  const flags = ['http-probe-port=0', 'prometheus-port=0', 'leader-election-duration=2s', `cloudconfig=${file}`]
  const { child, log } = startProcess(
    t,
    [...flags, `kubeconfig=${lab.kubeconfig}`].map((flag) => `--${flag}`),
    { HTTPS_PROXY: proxyUrl, NODE_EXTRA_CA_CERTS: caFile },
  )
  const [node = ''] = await lab.createScaleSet('pool')
  const pod = async (name: string) => {
    await lab.bind(name)
    await lab.createPod(name, { node, selector: name })
    await lab.identitiesAre('pool', ...(await lab.identitiesOf('pool')), name)
  }
  await pod('one')

  writeFileSync(file, JSON.stringify(config).slice(0, 50))
  await pod('two')
  await eventually(
    () => assert.match(log(), /the cloud configuration is unchanged: .*the file is not valid JSON/),
    10_000,
  )
  writeFileSync(file, JSON.stringify(config, null, 2))
  await pod('three')
  await eventually(() => assert.match(log(), /read the cloud configuration again/))

  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
  const { spec } = await lab.kube.get(resources.leases, { namespace: 'default', name: 'aad-pod-identity-mic' })
  assert.equal(spec?.holderIdentity, '')
  const secret = readFileSync(lab.azure.credentialsFile, 'utf8').match(/"clientSecret": ?"([^"]+)"/)?.[1] ?? 'none'
  assert.ok(!log().includes(secret) && !/eyJ[\w-]{10,}\./.test(log()), 'neither secret nor token is in the log')
})

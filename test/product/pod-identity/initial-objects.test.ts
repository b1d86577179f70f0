import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type TestContext, test } from 'node:test'
import { isAlreadyExists, resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'
import { podIdentityDefinitions } from './cluster.ts'

const cli = resolve(import.meta.dirname, '../../../src/bin/cli.ts')
const apiVersion = 'aadpodidentity.k8s.io/v1'

const objectOf = (kind: string, name: string, spec: object) => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'default', labels: { 'app.kubernetes.io/managed-by': 'Helm' } },
  spec,
})
const exception = objectOf('AzurePodIdentityException', 'mic', { podLabels: { a: 'b' } })
const identity = objectOf('AzureIdentity', 'shop', { type: 0, clientID: 'c' })
const binding = objectOf('AzureIdentityBinding', 'shop', { azureIdentity: 'shop', selector: 'shop' })

async function startCluster(t: TestContext) {
  const { kubeconfig } = await startLocalCluster(t)
  const kube = kubeClientOf(t, kubeconfig)
  const install = async () => {
    for (const definition of podIdentityDefinitions) await kube.create(resources.customResourceDefinitions, definition)
  }
  return { kube, kubeconfig, install, file: join(temporaryDirectory(t), 'objects.json') }
}

/** `keymount mic` or `keymount nmi` as a process, and its log. */
function start(t: TestContext, words: string[], env: Record<string, string> = {}): { log(): string } {
  const child: ChildProcess = spawn(process.execPath, [cli, ...words], {
    env: { PATH: process.env.PATH ?? '', ...env },
  })
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  child.stderr?.setEncoding('utf8').on('data', (part: string) => {
    text += part
  })
  return { log: () => text }
}

const credentials = {
  CLOUD: 'AzurePublicCloud',
  TENANT_ID: 'tenant',
  CLIENT_ID: 'client',
  CLIENT_SECRET: 'secret',
  SUBSCRIPTION_ID: 'subscription',
  RESOURCE_GROUP: 'group',
}

test('the controller creates the objects of the chart as soon as their kinds are served, and changes none that exists', async (t) => {
  const { kube, kubeconfig, install, file } = await startCluster(t)
  writeFileSync(file, JSON.stringify([exception, identity, binding]))
  const words = ['http-probe-port=0', 'prometheus-port=0', `kubeconfig=${kubeconfig}`, `initial-objects=${file}`]
  const { log } = start(t, ['mic', ...words.map((flag) => `--${flag}`)], credentials)
  await eventually(() => assert.match(log(), /"retryMs":\d+.*azurepodidentityexceptions/))

  await install()
  const own = { ...identity, spec: { type: 0, clientID: 'changed' } }
  const wasFirst = await kube.create(resources.azureIdentities, own).then(
    () => true,
    (error: unknown) => {
      assert.ok(isAlreadyExists(error))
      return false
    },
  )
  await eventually(async () => {
    const { spec, metadata } = await kube.get(resources.azurePodIdentityExceptions, exception.metadata)
    assert.deepEqual(spec, exception.spec)
    assert.deepEqual(metadata.labels, exception.metadata.labels)
    assert.deepEqual((await kube.get(resources.azureIdentityBindings, binding.metadata)).spec, binding.spec)
    const { clientID } = (await kube.get(resources.azureIdentities, identity.metadata)).spec
    assert.equal(clientID, wasFirst ? 'changed' : 'c')
  })
})

test('in managed mode the node endpoint creates them, and an object of another kind is refused by its name', async (t) => {
  const { kube, kubeconfig, install, file } = await startCluster(t)
  await install()
  writeFileSync(file, JSON.stringify([identity, { ...identity, kind: 'Secret' }]))
  const managed = ['operation-mode=managed', 'forceNamespaced', 'redirect=false', 'nmi-port=0']
  const flags = [
    ...managed,
    'http-probe-port=0',
    'prometheus-port=0',
    `kubeconfig=${kubeconfig}`,
    `initial-objects=${file}`,
  ]
  const { log } = start(t, ['nmi', ...flags.map((flag) => `--${flag}`)])
  await eventually(
    () => assert.match(log(), /\[1\]: found aadpodidentity.k8s.io\/v1 Secret, expected .* AzureIdentity,/),
    20_000,
  )
  assert.deepEqual((await kube.list(resources.azureIdentities)).items, [])
  writeFileSync(file, JSON.stringify([identity]))
  await eventually(() => kube.get(resources.azureIdentities, identity.metadata))
  rmSync(file)
})

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { credentials } from '@grpc/grpc-js'
import { type KubeClient, resources } from '#kubernetes/client'
import { NodeClient, RegistrationClient } from '#kubernetes/csi'
import { createDefinitions } from '../../support/custom-resources.ts'
import { unary } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { freePort } from '../../support/free-port.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { podVolume, type TestPod } from '../../support/pod-volume.ts'
import { objectsOf } from '../../support/provider.ts'
import { appSubject, type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'
import { startWine, type Wine, type WineProcess, wineMissing } from '../../support/wine/wine.ts'

const kubeletRoot = 'C:\\kubelet'
const providersDirectory = 'C:\\k\\secrets-store-csi-providers'
const csiSocket = `${kubeletRoot}\\plugins\\csi-secrets-store\\csi.sock`
const registrationSocket = `${kubeletRoot}\\plugins_registry\\secrets-store.csi.k8s.io-reg.sock`

interface WindowsNode {
  wine: Wine
  lab: ProviderLab
  kube: KubeClient
  healthPort: number
  driver: WineProcess
  provider: WineProcess
  startDriver(): Promise<void>
  kubelet: NodeClient
  pod(parameters: Record<string, string>): Promise<TestPod>
  publish(pod: TestPod): Promise<void>
  unpublish(pod: TestPod): Promise<void>
  /** Of the volume of a pod, as its containers see it. */
  read(pod: TestPod, name: string): string
}

/**
 * Driver and provider for Windows, on Wine, between a kubelet, a cluster and an Azure on Linux. One node for all cases: Wine takes ten
 * seconds to start.
 */
test('driver and provider on Windows', { skip: wineMissing() }, async (t) => {
  const node = await startWindowsNode(t)
  const vault = await node.lab.createReadableVault('windows')
  const parameters = (...objects: Record<string, string>[]) => ({
    keyvaultName: 'windows',
    clientID: vault.clientId,
    tenantID: node.lab.azure.administrator.tenantId,
    objects: objectsOf(...objects),
  })
  const set = (name: string, value: string) => node.lab.vault('windows', 'PUT', `/secrets/${name}`, { value })
  await set('password', 'one')

  await t.test('kubelet finds the registration socket, and is given the CSI socket', async (t) => {
    const address = `unix:${node.wine.unix(registrationSocket)}`
    const client = new RegistrationClient(address, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    })
    t.after(() => client.close())
    assert.deepEqual(await unary(client, client.getInfo, {}), {
      type: 'CSIPlugin',
      name: 'secrets-store.csi.k8s.io',
      endpoint: csiSocket,
      supportedVersions: ['1.0.0'],
    })
    await unary(client, client.notifyRegistrationStatus, { pluginRegistered: true, error: '' })
    const health = await fetch(`http://127.0.0.1:${node.healthPort}/readyz`)
    assert.equal(health.status, 200, await health.text())
  })

  await t.test('a pod gets its files from the vault, below links that a container can follow', async () => {
    const pod = await node.pod(parameters({ objectName: 'password', objectType: 'secret', objectAlias: 'db/password' }))
    await node.publish(pod)
    assert.equal(node.read(pod, 'db/password'), 'one')
    const names = readdirSync(node.wine.unix(pod.targetPath)).toSorted()
    assert.match(names.join(' '), /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d{9} \.\.data db$/)
    await node.unpublish(pod)
  })

  await t.test(
    'a repeated publish changes nothing, and a new version replaces even a file that is read-only',
    async () => {
      const readOnly = { filePermission: '0400' }
      const pod = await node.pod(parameters({ objectName: 'password', objectType: 'secret', ...readOnly }))
      await node.publish(pod)
      const before = readdirSync(node.wine.unix(pod.targetPath))
      await node.publish(pod)
      assert.deepEqual(readdirSync(node.wine.unix(pod.targetPath)), before)
      assert.equal(statSync(node.wine.unix(`${pod.targetPath}\\password`)).mode & 0o222, 0)
      await set('password', 'two')
      await eventually(() => assert.equal(node.read(pod, 'password'), 'two'), 60_000)
      await eventually(() => assert.equal(readdirSync(node.wine.unix(pod.targetPath)).length, before.length))
      await node.unpublish(pod)
      await set('password', 'one')
    },
  )

  await t.test('unpublish removes the files and then the directory, and may be repeated', async () => {
    const pod = await node.pod(parameters({ objectName: 'password', objectType: 'secret' }))
    await node.publish(pod)
    await node.unpublish(pod)
    assert.equal(existsSync(node.wine.unix(pod.targetPath)), false)
    await node.unpublish(pod)
  })

  for (const [what, objects, expected] of [
    ['leads to another directory', [{ objectAlias: 'a\\..\\..\\b' }], /file name must not contain '\.\.'/],
    ['has another separator', [{ objectAlias: 'a\\b' }], /has "\\\\"/],
    ['names another drive', [{ objectAlias: 'C:\\Windows\\win.ini' }], /has ":"|has "\\\\"/],
    ['names a data stream', [{ objectAlias: 'password:hidden' }], /has ":"/],
    ['names a device', [{ objectAlias: 'nul.txt' }], /the name of a device of Windows/],
    ['ends with a dot', [{ objectAlias: 'password.' }], /ends with a dot or a space/],
    ['differs in case alone', [{ objectAlias: 'Token' }, { objectAlias: 'token' }], /are one file here/],
  ] as const) {
    await t.test(`a file name that ${what} is refused, and nothing is left behind`, async () => {
      const all = objects.map((object) => ({ objectName: 'password', objectType: 'secret', ...object }))
      const pod = await node.pod(parameters(...all))
      await assert.rejects(node.publish(pod), expected)
      assert.equal(existsSync(node.wine.unix(pod.targetPath)), false)
    })
  }

  await t.test('a target that is not on a drive is refused', async () => {
    const pod = await node.pod(parameters({ objectName: 'password', objectType: 'secret' }))
    const targetPath = '\\\\server\\share\\pods\\u\\volumes\\kubernetes.io~csi\\v\\mount'
    await assert.rejects(
      node.publish({ ...pod, request: { ...pod.request, targetPath } }),
      /expected a path on a drive/,
    )
  })

  await t.test('a driver that starts again keeps its volumes, and rotates them', async () => {
    const pod = await node.pod(parameters({ objectName: 'password', objectType: 'secret' }))
    await node.publish(pod)
    assert.equal(await node.driver.stop(), 0, node.driver.output())
    assert.equal(existsSync(node.wine.unix(csiSocket)), false)
    await node.startDriver()
    assert.equal(node.read(pod, 'password'), 'one')
    await set('password', 'three')
    await node.publish(pod)
    await eventually(() => assert.equal(node.read(pod, 'password'), 'three'), 60_000)
    await node.unpublish(pod)
    assert.equal(existsSync(node.wine.unix(pod.targetPath)), false)
  })

  await t.test('no log has a value', () => {
    const logs = `${node.driver.output()}${node.provider.output()}`
    assert.doesNotMatch(logs, /"three"|\bthree\b/)
  })
})

async function startWindowsNode(t: TestContext): Promise<WindowsNode> {
  const [wine, lab, cluster] = await Promise.all([
    startWine(t),
    startProviderLab(t),
    startLocalCluster(t, { nodeName: 'another-node' }),
  ])
  const kube = kubeClientOf(t, cluster.kubeconfig)
  await createDefinitions(kube)
  for (const directory of [`${kubeletRoot}\\plugins_registry`, `${kubeletRoot}\\pods`])
    mkdirSync(wine.unix(directory), { recursive: true })
  const healthPort = await freePort()
  const onLinux = (path: string) => `Z:${path.replaceAll('/', '\\')}`
  const startDriver = () =>
    wine.start(
      'driver',
      [
        `--endpoint=unix://${csiSocket}`,
        '--nodeid=node-1',
        `--provider-volume=${providersDirectory}`,
        '--additional-provider-volume-paths=',
        `--registration-dir=${kubeletRoot}\\plugins_registry`,
        `--kubelet-registration-path=${csiSocket}`,
        '--metrics-addr=',
        `--health-addr=127.0.0.1:${healthPort}`,
        '--enable-secret-rotation',
        '--rotation-poll-interval=1s',
        `--kubeconfig=${onLinux(cluster.kubeconfig)}`,
      ],
      { ready: 'driver started' },
    )
  const [driver, provider] = await Promise.all([
    startDriver(),
    wine.start(
      'provider',
      [`--endpoint=unix://${providersDirectory}\\azure.sock`, '--healthz-port=0', '--prometheus-port=0'],
      { ready: '"msg":"ready"', env: { HTTPS_PROXY: lab.azure.proxyUrl, SSL_CERT_FILE: onLinux(lab.azure.caFile) } },
    ),
  ])
  const connect = () =>
    new NodeClient(`unix:${wine.unix(csiSocket)}`, credentials.createInsecure(), {
      'grpc.default_authority': 'localhost',
    })
  const node: WindowsNode = {
    wine,
    lab,
    kube,
    healthPort,
    driver,
    provider,
    kubelet: connect(),
    async startDriver() {
      node.kubelet.close()
      node.driver = await startDriver()
      node.kubelet = connect()
    },
    async pod(parameters) {
      const name = `app-${randomUUID().slice(0, 8)}`
      await kube.create(resources.secretProviderClasses, {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClass',
        metadata: { name, namespace: 'default' },
        spec: { provider: 'azure', parameters },
      })
      const pod = await kube.create(resources.pods, {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name, namespace: 'default' },
        spec: { nodeName: 'node-1', containers: [{ name: 'app', image: 'busybox' }] },
      })
      const uid = pod.metadata.uid ?? ''
      const volume = podVolume({ kubeletRoot, name, namespace: 'default', uid, className: name, volume: 'secrets' })
      const targetPath = [kubeletRoot, 'pods', uid, 'volumes', 'kubernetes.io~csi', 'secrets', 'mount'].join('\\')
      return { ...volume, targetPath, request: { ...volume.request, targetPath } }
    },
    async publish({ request }) {
      const audience = 'api://AzureADTokenExchange'
      const token = await lab.issuer.token(appSubject, { aud: [audience] })
      const tokens = { [audience]: { token, expirationTimestamp: '2036-01-01T00:00:00Z' } }
      await unary(node.kubelet, node.kubelet.nodePublishVolume, {
        ...request,
        volumeContext: {
          ...request.volumeContext,
          'csi.storage.k8s.io/serviceAccount.name': 'app',
          'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(tokens),
        },
      })
    },
    async unpublish({ request: { volumeId, targetPath } }) {
      await unary(node.kubelet, node.kubelet.nodeUnpublishVolume, { volumeId, targetPath })
    },
    read: (pod, name) => readFileSync(`${wine.unix(pod.targetPath)}/${name}`, 'utf8'),
  }
  t.after(() => node.kubelet.close())
  return node
}

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type CsiDriver, resources } from '#kubernetes/client'
import { Code, RpcError } from '#kubernetes/grpc'
import type { LocalClusterOptions } from '#lab/cluster'
import { type CsiPlugin, type CsiPluginOptions, startCsiPlugin } from '../../support/csi-plugin.ts'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { startNode, type TestNode } from '../../support/node.ts'

const skip = !mayMount()
const driver = 'fake.csi.example.com'
const idle = {
  command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'],
  volumeMounts: [{ name: 'v', mountPath: '/v', readOnly: true }],
}

async function start(
  t: TestContext,
  spec: Partial<CsiDriver['spec']> = {},
  options: Partial<LocalClusterOptions> = {},
) {
  const node = await startNode(t, options)
  await node.create(resources.csiDrivers, {
    metadata: { name: driver },
    spec: { attachRequired: false, podInfoOnMount: true, volumeLifecycleModes: ['Ephemeral'], ...spec },
  })
  const plugin = await startCsiPlugin({ kubeletRoot: node.kubeletRoot })
  t.after(() => plugin.stop())
  return { node, plugin }
}

const volumes = (source: object = {}) => ({
  volumes: [{ name: 'v', csi: { driver, readOnly: true, volumeAttributes: { content: 'hello' }, ...source } }],
})
const directoryOf = (node: TestNode, uid: string) => join(node.kubeletRoot, 'pods', uid, 'volumes/kubernetes.io~csi/v')
const lastOf = ({ published }: CsiPlugin) => published.at(-1)

test('a driver is registered by its socket, and is gone with it', { skip }, async (t) => {
  const { node, plugin } = await start(t)
  const drivers = async () => (await node.kube.get(resources.csiNodes, { name: 'test-node' })).spec.drivers
  await eventually(async () =>
    assert.deepEqual(await drivers(), [{ name: driver, nodeID: 'test-node-id', topologyKeys: null }]),
  )
  await eventually(() => assert.deepEqual(plugin.notified, [{ pluginRegistered: true, error: '' }]))
  await plugin.stop()
  await eventually(async () => assert.deepEqual(await drivers(), []))
})

test('a plugin of another kind or version gets an error', { skip }, async (t) => {
  const node = await startNode(t)
  const wrong: [Partial<CsiPluginOptions>, RegExp][] = [
    [{ name: 'device', type: 'DevicePlugin' }, /a plugin of type "DevicePlugin" is not supported/],
    [{ name: 'old', versions: ['0.3.0'] }, /supports the versions 0.3.0, expected 1.x/],
  ]
  for (const [options, message] of wrong) {
    const plugin = await startCsiPlugin({ kubeletRoot: node.kubeletRoot, ...options })
    await eventually(() => assert.match(plugin.notified[0]?.error ?? '', message))
    assert.equal(plugin.notified[0]?.pluginRegistered, false)
    await plugin.stop()
  }
})

test('an inline volume is published for its pod, seen read-only inside, and unpublished after it', {
  skip,
}, async (t) => {
  const { node, plugin } = await start(t)
  const { metadata } = await node.run(
    'app',
    idle,
    volumes({ volumeAttributes: { content: 'hello', 'csi.storage.k8s.io/pod.name': 'forged' } }),
  )
  const uid = metadata.uid ?? ''
  await node.ready('app')
  const handle = `csi-${createHash('sha256').update(`${uid}v`).digest('hex')}`
  const target = join(directoryOf(node, uid), 'mount')
  assert.deepEqual(lastOf(plugin), {
    volumeId: handle,
    publishContext: {},
    stagingTargetPath: '',
    targetPath: target,
    volumeCapability: {
      accessType: { $case: 'mount', value: { fsType: '', mountFlags: [], volumeMountGroup: '' } },
      accessMode: { mode: 1 },
    },
    readonly: true,
    secrets: {},
    volumeContext: {
      content: 'hello',
      'csi.storage.k8s.io/pod.name': 'app',
      'csi.storage.k8s.io/pod.namespace': 'default',
      'csi.storage.k8s.io/pod.uid': uid,
      'csi.storage.k8s.io/serviceAccount.name': 'default',
      'csi.storage.k8s.io/ephemeral': 'true',
    },
  })
  const data = JSON.parse(readFileSync(join(directoryOf(node, uid), 'vol_data.json'), 'utf8'))
  assert.equal(data.volumeHandle, handle)
  assert.equal(data.volumeLifecycleMode, 'Ephemeral')
  assert.equal((await node.exec('app', ['cat', '/v/content'])).stdout, 'hello')
  assert.match((await node.exec('app', ['touch', '/v/x'])).stderr, /Read-only file system/)
  await node.delete('app')
  assert.deepEqual(plugin.unpublished, [{ volumeId: handle, targetPath: target }])
  assert.deepEqual(readdirSync(join(node.kubeletRoot, 'pods')), [])
})

test('a driver that requires republishing is called repeatedly, with tokens for its audiences and the secret of the volume', {
  skip,
}, async (t) => {
  const asks = {
    requiresRepublish: true,
    tokenRequests: [{ audience: 'api://a' }, { audience: 'b', expirationSeconds: 700 }],
  }
  const { node, plugin } = await start(t, asks, { syncFrequencyMs: 100 })
  await node.create(resources.secrets, {
    metadata: { name: 'creds' },
    data: { id: Buffer.from('me').toString('base64') },
  })
  await node.run('app', idle, volumes({ nodePublishSecretRef: { name: 'creds' } }))
  await node.ready('app')
  await eventually(() => assert.ok(plugin.published.length >= 3))
  const { volumeContext = {}, secrets } = lastOf(plugin) ?? {}
  assert.deepEqual(secrets, { id: 'me' })
  const tokens = JSON.parse(volumeContext['csi.storage.k8s.io/serviceAccount.tokens'] ?? '{}')
  assert.deepEqual(Object.keys(tokens), ['api://a', 'b'])
  const claims = JSON.parse(Buffer.from(tokens.b.token.split('.')[1], 'base64url').toString())
  assert.deepEqual(claims.aud, ['b'])
  assert.equal(tokens.b.expirationTimestamp, new Date(claims.exp * 1000).toISOString().replace('.000', ''))
  // A republish that fails is an event; the volume and the pod stay.
  plugin.onPublish = () => {
    throw new RpcError(Code.INTERNAL, 'no more')
  }
  await eventually(async () => assert.match((await node.events('app')).join('\n'), /FailedMount: .*no more/))
  assert.equal((await node.exec('app', ['cat', '/v/content'])).stdout, 'hello')
})

test('tokens go to the secrets of the call when the driver requests it', { skip }, async (t) => {
  const { node, plugin } = await start(t, { tokenRequests: [{ audience: 'x' }], serviceAccountTokenInSecrets: true })
  await node.run('app', idle, volumes())
  await node.ready('app')
  const { secrets = {}, volumeContext = {} } = lastOf(plugin) ?? {}
  assert.deepEqual(Object.keys(secrets), ['csi.storage.k8s.io/serviceAccount.tokens'])
  assert.ok(!('csi.storage.k8s.io/serviceAccount.tokens' in volumeContext))
})

test('a volume that cannot be published is an event; what failed for good leaves nothing, what may be under way stays', {
  skip,
}, async (t) => {
  const { node, plugin } = await start(t)
  const failWith = (code: Code) => {
    plugin.onPublish = () => {
      throw new RpcError(code, 'vault "v" refused')
    }
  }
  failWith(Code.NOT_FOUND)
  const { metadata } = await node.run('app', idle, volumes())
  const directory = directoryOf(node, metadata.uid ?? '')
  const message = (code: string) =>
    `Warning FailedMount: MountVolume.SetUp failed for volume "v" : rpc error: code = ${code} desc = vault "v" refused`
  await eventually(async () => assert.ok((await node.events('app')).includes(message('NotFound'))))
  assert.ok(!existsSync(directory))
  failWith(Code.UNAVAILABLE)
  await eventually(async () => assert.ok((await node.events('app')).includes(message('Unavailable'))))
  assert.ok(existsSync(join(directory, 'vol_data.json')))
  plugin.onPublish = () => {}
  await node.ready('app')
})

test('a pod whose driver is not there yet waits, and starts when it registers', { skip }, async (t) => {
  const { node, plugin } = await start(t)
  await plugin.stop()
  await node.run('app', idle, volumes())
  await eventually(async () =>
    assert.match(
      (await node.events('app')).join('\n'),
      /driver name fake.csi.example.com not found in the list of registered CSI drivers/,
    ),
  )
  const again = await startCsiPlugin({ kubeletRoot: node.kubeletRoot })
  t.after(() => again.stop())
  await node.ready('app')
})

test('a pod is not gone before its volume is', { skip }, async (t) => {
  const { node, plugin } = await start(t)
  await node.run('app', idle, volumes())
  await node.ready('app')
  plugin.onUnpublish = () => {
    throw new RpcError(Code.INTERNAL, 'busy')
  }
  await node.kube.delete(resources.pods, { name: 'app', namespace: 'default' })
  await eventually(() => assert.ok(plugin.unpublished.length >= 2))
  const pod = await node.kube.get(resources.pods, { name: 'app', namespace: 'default' })
  assert.ok(pod.status?.containerStatuses?.[0]?.state?.terminated)
  plugin.onUnpublish = () => {}
  await node.delete('app')
})

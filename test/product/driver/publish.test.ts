import assert from 'node:assert/strict'
import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import type { NodePublishVolumeRequest } from '#kubernetes/csi'
import { startDriver } from '../../support/driver.ts'
import { createFakeMounter } from '../../support/fake-mounter.ts'
import { ProviderFault, startFakeProvider } from '../../support/fake-provider.ts'

test('publish() gives the pod the files of its class, and records what is mounted', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.mountedPod({ name: 'web', objects: ['foo', 'fookey'] })

  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')
  assert.equal(readlinkSync(join(pod.targetPath, 'foo')), '..data/foo')
  assert.match(readlinkSync(join(pod.targetPath, '..data')), /^\.\.\d{4}_\d\d_\d\d_\d\d_\d\d_\d\d\.\d{9}$/)
  assert.equal(lstatSync(join(pod.targetPath, '..data', 'foo')).mode & 0o777, 0)
  assert.equal(await driver.mounter.isMounted(pod.targetPath), true)

  const [status, ...others] = await driver.statuses()
  assert.deepEqual(others, [])
  assert.equal(status?.metadata.name, 'web-default-web')
  assert.deepEqual(status?.metadata.labels, { 'internal.secrets-store.csi.k8s.io/node-name': 'node-1' })
  assert.deepEqual(status?.metadata.ownerReferences, [{ apiVersion: 'v1', kind: 'Pod', name: 'web', uid: pod.uid }])
  assert.deepEqual(status?.status, {
    podName: 'web',
    secretProviderClassName: 'web',
    mounted: true,
    targetPath: pod.targetPath,
    objects: [
      { id: 'secret/foo', version: 'v1' },
      { id: 'secret/fookey', version: 'v1' },
    ],
  })
})

test('publish() hands the provider what the protocol defines', async (t) => {
  const driver = await startDriver(t)
  driver.provider.requiredAudiences = ['aud1']
  const pod = await driver.pod({ parameters: { shared: 'of the class', own: '1' } })
  const volumeContext = { ...pod.request.volumeContext, shared: 'of the pod' }
  await driver.publish({ ...pod.request, volumeContext })
  const [mount] = driver.provider.mounts
  const attributes = JSON.parse(mount?.attributes ?? '{}') as Record<string, string>
  assert.equal(attributes.shared, 'of the pod')
  assert.equal(attributes.own, '1')
  assert.equal(attributes['csi.storage.k8s.io/pod.name'], pod.name)
  assert.equal(
    attributes['csi.storage.k8s.io/serviceAccount.tokens'],
    pod.request.volumeContext['csi.storage.k8s.io/serviceAccount.tokens'],
  )
  assert.equal(mount?.secrets, 'null')
  assert.equal(mount?.permission, '420')
  assert.equal(mount?.targetPath, pod.targetPath)
  assert.deepEqual(mount?.currentObjectVersion, [])
})

test('publish() takes tokens from the secrets of the request before those of the volume context', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  const key = 'csi.storage.k8s.io/serviceAccount.tokens'
  await driver.publish({ ...pod.request, secrets: { clientid: 'a', [key]: '{"aud2":{}}' } })
  const [mount] = driver.provider.mounts
  assert.equal((JSON.parse(mount?.attributes ?? '{}') as Record<string, string>)[key], '{"aud2":{}}')
  assert.deepEqual(JSON.parse(mount?.secrets ?? ''), { clientid: 'a', [key]: '{"aud2":{}}' })
})

test('publish() hands over every key of the secrets of the request, whatever it is called', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  const secrets = JSON.parse('{"__proto__":"a","constructor":"b"}') as Record<string, string>
  await driver.publish({ ...pod.request, secrets })
  assert.equal(driver.provider.mounts[0]?.secrets, '{"__proto__":"a","constructor":"b"}')
})

test('publish() twice, and twice at once, mounts once', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  await Promise.all([driver.publish(pod.request), driver.publish(pod.request)])
  await driver.publish(pod.request)
  assert.equal(driver.provider.mounts.length, 1)
  assert.equal((await driver.statuses()).length, 1)
})

test('unpublish() leaves no mount and no directory, and may be repeated', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.mountedPod()
  await Promise.all([driver.unpublish(pod.request), driver.unpublish(pod.request)])
  assert.equal(existsSync(pod.targetPath), false)
  assert.equal(await driver.mounter.isMounted(pod.targetPath), false)
  await driver.unpublish(pod.request)
})

test('unpublish() leaves what no driver wrote, and reports it', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  mkdirSync(join(pod.targetPath, 'precious'), { recursive: true })
  await assert.rejects(driver.unpublish(pod.request), {
    code: Code.INTERNAL,
    message: /failed to clean and unmount target path .*precious/,
  })
  assert.deepEqual(readdirSync(pod.targetPath), ['precious'])
})

const wrong: {
  what: string
  change: (request: NodePublishVolumeRequest) => NodePublishVolumeRequest
  message: RegExp
}[] = [
  {
    what: 'without a capability',
    change: (r) => ({ ...r, volumeCapability: undefined }),
    message: /volume_capability: missing/,
  },
  { what: 'without a volume id', change: (r) => ({ ...r, volumeId: '' }), message: /volume_id: missing/ },
  { what: 'without a target path', change: (r) => ({ ...r, targetPath: '' }), message: /target_path: missing/ },
  {
    what: 'without a volume context',
    change: (r) => ({ ...r, volumeContext: {} }),
    message: /volume_context: missing/,
  },
  {
    what: 'that is writable',
    change: (r) => ({ ...r, readonly: false }),
    message: /readonly: found false, expected true/,
  },
  {
    what: 'with a relative target path',
    change: (r) => ({ ...r, targetPath: 'a/b' }),
    message: /expected an absolute path/,
  },
  {
    what: 'with a target path that climbs',
    change: (r) => ({ ...r, targetPath: `${r.targetPath}/../../x` }),
    message: /without "\." and "\.\."/,
  },
  { what: 'with the root directory as target', change: (r) => ({ ...r, targetPath: '/' }), message: /root directory/ },
  {
    what: 'with a huge target path',
    change: (r) => ({ ...r, targetPath: `/${'a'.repeat(5000)}` }),
    message: /longer than 4095 bytes/,
  },
  { what: 'with a NUL in the target path', change: (r) => ({ ...r, targetPath: '/tmp/a\0b' }), message: /NUL/ },
  {
    what: 'of a block volume',
    change: (r) => ({ ...r, volumeCapability: { accessType: { $case: 'block', value: {} }, accessMode: undefined } }),
    message: /found block, expected mount/,
  },
  {
    what: 'whose class name is a path',
    change: (r) => ({ ...r, volumeContext: { ...r.volumeContext, secretProviderClass: '../secrets/x' } }),
    message: /expected the name of an object/,
  },
  {
    what: 'with attributes of 300 kB',
    change: (r) => ({ ...r, volumeContext: { ...r.volumeContext, note: 'x'.repeat(300_000) } }),
    message: /attributes of a volume.*: found 300,\d+ bytes, at most 256 KiB are accepted/,
  },
  {
    what: 'with a Secret of 300 kB',
    change: (r) => ({ ...r, secrets: { clientcertificate: 'x'.repeat(300_000) } }),
    message: /attributes of a volume, with the Secret of its nodePublishSecretRef: found 300,\d+ bytes/,
  },
  {
    what: 'without pod information',
    change: (r) => ({ ...r, volumeContext: { secretProviderClass: 'x' } }),
    message: /pod\.name.*podInfoOnMount.*pod\.namespace/,
  },
]

test('publish() answers InvalidArgument and mounts nothing', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  for (const { what, change, message } of wrong) {
    await t.test(`for a request ${what}`, async () => {
      const request = change(pod.request)
      await assert.rejects(driver.publish(request), { code: Code.INVALID_ARGUMENT, details: message })
      assert.deepEqual([...(await driver.mounter.mounted())], [])
    })
  }
})

test('publish() names every problem of a request at once', async (t) => {
  const driver = await startDriver(t)
  const request = { ...(await driver.pod()).request, volumeId: '', targetPath: '', readonly: false }
  await assert.rejects(driver.publish(request), {
    details: /volume_id: missing; target_path: missing; readonly: found false/,
  })
})

test('publish() answers Unknown and leaves nothing mounted', async (t) => {
  const driver = await startDriver(t)
  const { provider } = driver
  await t.test('for a class that does not exist, in the words that suites look for', async () => {
    const pod = await driver.pod({ className: 'absent' })
    await assert.rejects(driver.publish(pod.request), {
      code: Code.UNKNOWN,
      details: /failed to get secretproviderclass default\/absent.*not found/,
    })
    assert.equal(existsSync(pod.targetPath), false)
  })
  await t.test('for a class without a provider', async () => {
    await driver.createClass('no-provider', { parameters: { a: 'b' } })
    const pod = await driver.pod({ className: 'no-provider' })
    await assert.rejects(driver.publish(pod.request), { code: Code.UNKNOWN, details: /spec\.provider is missing/ })
  })
  await t.test('for a class without parameters', async () => {
    await driver.createClass('no-parameters', { provider: provider.name })
    const pod = await driver.pod({ className: 'no-parameters' })
    await assert.rejects(driver.publish(pod.request), { code: Code.UNKNOWN, details: /spec\.parameters is missing/ })
  })
  for (const [name, message] of [
    ['bad/name', /invalid provider "bad\/name"/],
    ['absent', /provider not found.*absent\.sock/],
  ] as const) {
    await t.test(`for the provider ${name}`, async () => {
      const className = `provider-${name.replace('/', '-')}`
      await driver.createClass(className, { provider: name, parameters: { a: 'b' } })
      const pod = await driver.pod({ className })
      await assert.rejects(driver.publish(pod.request), { code: Code.UNKNOWN, details: message })
      assert.equal(existsSync(pod.targetPath), false)
    })
  }
  await t.test('for an error code in the answer of the provider', async () => {
    const pod = await driver.pod()
    provider.answer = () => ({ objectVersion: [{ id: 'a', version: '1' }], error: { code: 'VaultSealed' }, files: [] })
    await assert.rejects(driver.publish(pod.request), { code: Code.UNKNOWN, details: /VaultSealed/ })
    assert.match(await driver.metrics(), /node_publish_error_total\{.*error_type="VaultSealed"/)
  })
  await t.test('for an answer without object versions', async () => {
    const pod = await driver.pod()
    provider.answer = () => ({ objectVersion: [], error: undefined, files: [] })
    await assert.rejects(driver.publish(pod.request), { code: Code.UNKNOWN, details: /without any object version/ })
    assert.equal(await driver.mounter.isMounted(pod.targetPath), false)
  })
  await t.test('for files outside the volume', async () => {
    const pod = await driver.pod()
    const files = ['../escape', '/etc/passwd', '.', 'a//b'].map((path) => ({
      path,
      mode: 0o644,
      contents: Buffer.from('x'),
    }))
    provider.answer = () => ({ objectVersion: [{ id: 'a', version: '1' }], error: undefined, files })
    await assert.rejects(driver.publish(pod.request), {
      code: Code.UNKNOWN,
      details: /files\[0\]\.path.*files\[1\]\.path.*files\[2\]\.path.*files\[3\]\.path/,
    })
    assert.equal(existsSync(pod.targetPath), false)
  })
  assert.deepEqual([...(await driver.mounter.mounted())], [])
})

test('a publish that does not know whether it left a mount fails with Unavailable, upon which kubelet asks to unpublish', async (t) => {
  const mounter = createFakeMounter()
  const broken = { isMounted: false, unmount: false }
  const fail = async () => {
    throw new Error('the kernel does not answer')
  }
  const driver = await startDriver(t, {
    mounter: {
      ...mounter,
      isMounted: (target) => (broken.isMounted ? fail() : mounter.isMounted(target)),
      unmount: (target) => (broken.unmount ? fail() : mounter.unmount(target)),
    },
  })
  const pod = await driver.pod()

  broken.isMounted = true
  const unknown = /cannot find out whether .* is mounted: the kernel does not answer/
  await assert.rejects(driver.publish(pod.request), { code: Code.UNAVAILABLE, details: unknown })
  broken.isMounted = false

  broken.unmount = true
  driver.provider.answer = () => {
    throw new ProviderFault(Code.PERMISSION_DENIED, 'no right to read')
  }
  await assert.rejects(driver.publish(pod.request), { code: Code.UNAVAILABLE, details: /no right to read/ })
  assert.equal(await mounter.isMounted(pod.targetPath), true)
  broken.unmount = false
  await driver.unpublish(pod.request)
  assert.equal(existsSync(pod.targetPath), false)
})

test("publish() keeps the provider's own gRPC code and message", async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  driver.provider.answer = () => {
    throw new ProviderFault(Code.PERMISSION_DENIED, 'identity "orders" may not read "db-password" in vault "shop"')
  }
  await assert.rejects(driver.publish(pod.request), {
    code: Code.PERMISSION_DENIED,
    details: /"orders" may not read "db-password"/,
  })
  driver.provider.answer = undefined
  await driver.publish(pod.request)
})

test('publish() finds a provider that appears late, restarts, or moves to the other directory', async (t) => {
  const driver = await startDriver(t)
  await driver.createClass('late', { provider: 'late', parameters: { objects: 'array: []', x: 'y' } })
  const answer = (content: string) => () => ({
    objectVersion: [{ id: 'a', version: content }],
    error: undefined,
    files: [{ path: 'a', mode: 0o644, contents: Buffer.from(content) }],
  })
  const mountNew = async () => {
    const pod = await driver.mountedPod({ className: 'late' })
    return readFileSync(join(pod.targetPath, 'a'), 'utf8')
  }
  await assert.rejects(mountNew(), /provider not found/)
  let late = await startFakeProvider(join(driver.root, 'providers'), 'late')
  late.answer = answer('first')
  assert.equal(await mountNew(), 'first')
  await late.stop()
  late = await startFakeProvider(join(driver.root, 'providers'), 'late')
  late.answer = answer('second')
  assert.equal(await mountNew(), 'second')
  const moved = await startFakeProvider(join(driver.root, 'more-providers'), 'late')
  t.after(() => Promise.all([late.stop(), moved.stop()]))
  moved.answer = answer('third')
  assert.equal(await mountNew(), 'third')
})

test('publish() names the flag to raise when an answer is too large', async (t) => {
  const driver = await startDriver(t, { flags: ['--max-call-recv-msg-size=1000'] })
  const pod = await driver.pod()
  driver.provider.objects.set('foo', { content: 'x'.repeat(2000), version: '1' })
  await assert.rejects(driver.publish(pod.request), {
    code: Code.RESOURCE_EXHAUSTED,
    details: /--max-call-recv-msg-size/,
  })
})

test('no log line holds a secret or a token', async (t) => {
  const driver = await startDriver(t, { flags: ['--enable-secret-rotation', '--v=5'] })
  driver.provider.objects.set('foo', { content: 'planted-content', version: '1' })
  const pod = await driver.pod()
  await driver.publish({ ...pod.request, secrets: { clientsecret: 'planted-client-secret' } })
  driver.provider.answer = () => {
    throw new ProviderFault(Code.INTERNAL, 'broken')
  }
  await assert.rejects(driver.publish((await driver.pod()).request))
  await assert.rejects(driver.publish({ ...pod.request, volumeId: '' }))
  const text = driver.log.join('')
  for (const secret of ['planted', 'token-of-the-pod']) assert.equal(text.includes(secret), false, secret)
})

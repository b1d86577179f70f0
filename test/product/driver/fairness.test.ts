import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { status as Code } from '@grpc/grpc-js'
import { type KubeClient, resources } from '#kubernetes/client'
import type { MountResponse } from '#kubernetes/provider-protocol'
import { startDriver, startRotatingDriver, type TestDriver } from '../../support/driver.ts'
import { eventually } from '../../support/eventually.ts'
import { objectsAttribute } from '../../support/fake-provider.ts'

const minute = 60_000

async function createNamespace({ kube }: TestDriver, name: string): Promise<void> {
  await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
}

test('volumes of one namespace that hang take a quarter of the rotation, and other namespaces rotate on time', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  await createNamespace(driver, 'noisy')
  const spec = { provider: driver.provider.name, parameters: { objects: objectsAttribute(['foo']) } }
  await driver.createClass('hangs', spec, 'noisy')
  for (let i = 0; i < 24; i++) await driver.mountedPod({ namespace: 'noisy', className: 'hangs' })
  const quiet = await driver.mountedPod({ name: 'quiet' })

  let hanging = 0
  driver.provider.answer = (request): Promise<MountResponse> | MountResponse => {
    if (request.attributes.includes('"csi.storage.k8s.io/pod.namespace":"noisy"')) {
      hanging++
      return new Promise(() => {})
    }
    const files = [{ path: 'foo', mode: 0o444, contents: Buffer.from('rotated') }]
    return { objectVersion: [{ id: 'a', version: '2' }], error: undefined, files }
  }
  driver.provider.patience.length = 0
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(readFileSync(join(quiet.targetPath, 'foo'), 'utf8'), 'rotated'))
  await eventually(() => assert.equal(hanging, 4))
  for (const ms of driver.provider.patience) assert.ok(ms <= 30_000, `a call waits ${ms} ms`)
})

test('a class that is edited while it is checked is checked again at once', async (t) => {
  const { driver, clock } = await startRotatingDriver(t)
  const pod = await driver.mountedPod({ name: 'web' })
  const gate = Promise.withResolvers<void>()
  driver.provider.answer = async () => {
    driver.provider.answer = undefined
    await gate.promise
    return { objectVersion: [{ id: 'secret/foo', version: 'v1' }], error: undefined, files: [] }
  }
  await clock.advance(2 * minute)
  await eventually(() => assert.equal(driver.provider.mounts.length, 2))
  const edited = { spec: { parameters: { objects: objectsAttribute(['foo', 'fookey']) } } }
  await driver.kube.patch(resources.secretProviderClasses, { name: 'web', namespace: 'default' }, edited)
  await eventually(() => assert.ok(driver.log.some((line) => line.includes('asks for a rotation now'))))
  gate.resolve()
  await eventually(async () => {
    await clock.advance(1000)
    assert.ok(existsSync(join(pod.targetPath, 'fookey')))
  })
})

test('unpublish() does not wait for a publish that waits for the API server', async (t) => {
  let held = 0
  const driver = await startDriver(t, {
    kube: (client: KubeClient) => ({
      ...client,
      get: (resource, ref, options) => {
        if (resource.plural !== 'secretproviderclasses') return client.get(resource, ref, options)
        held++
        return new Promise((_, reject) => {
          options?.signal?.addEventListener('abort', () => reject(options.signal?.reason))
        })
      },
    }),
  })
  const pod = await driver.pod()
  const published = assert.rejects(driver.publish(pod.request), { code: Code.ABORTED })
  await eventually(() => assert.equal(held, 1))
  await driver.unpublish(pod.request)
  await published
  assert.equal(existsSync(pod.targetPath), false)
})

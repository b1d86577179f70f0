import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { resources } from '#kubernetes/client'
import { createLinuxMounter } from '#product/driver'
import { type DriverLab, startDriverLab } from '../../support/driver-lab.ts'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'

const skip = mayMount() ? false : 'needs root or a user namespace'
const mounter = createLinuxMounter()

async function start(t: TestContext): Promise<DriverLab> {
  const lab = await startDriverLab({ flags: ['--enable-secret-rotation'] })
  t.after(() => lab.stop())
  const data = [{ objectName: 'foo', key: 'k' }]
  await lab.createClass('web', ['foo'], { secretObjects: [{ secretName: 's', data }] })
  return lab
}

/** The step of a publish at which the driver is killed: it has sent this request and gets no answer. */
const steps: { step: string; reached: (lab: DriverLab) => Promise<unknown> }[] = [
  { step: 'reading the class', reached: ({ api }) => api.holdNext(/^GET .*secretproviderclasses/) },
  {
    step: 'asking the provider, with an empty mount',
    reached: ({ provider }) =>
      new Promise<void>((come) => {
        provider.answer = () => {
          come()
          provider.answer = undefined
          return new Promise(() => {})
        }
      }),
  },
  {
    step: 'creating the status object, with the files written',
    reached: ({ api }) => api.holdNext(/^POST .*podstatuses/),
  },
  {
    step: 'writing the Secret, with the status object created',
    reached: ({ api }) => api.holdNext(/^PATCH .*secrets\/s/),
  },
]

/** The driver is killed when it has reached a step of publishing a pod's volume, and started again. */
async function killedWhilePublishing(t: TestContext, reached: (typeof steps)[number]['reached']) {
  const lab = await start(t)
  const pod = await lab.pod('web')
  const there = reached(lab)
  const broken = assert.rejects(lab.publish(pod))
  await there
  await lab.driver.kill()
  await broken
  await lab.startDriver()
  return { lab, pod }
}

for (const { step, reached } of steps) {
  test(`a driver killed while ${step} loses nothing: kubelet's next call completes the volume`, { skip }, async (t) => {
    const { lab, pod } = await killedWhilePublishing(t, reached)
    await lab.publish(pod)
    assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')
    assert.equal(await mounter.isMounted(pod.targetPath), true)
    const { items } = await lab.kube.list(resources.secretProviderClassPodStatuses, { namespace: 'default' })
    assert.deepEqual(
      items.map(({ status }) => status?.objects),
      [[{ id: 'secret/foo', version: 'v1' }]],
    )
    await eventually(() => lab.kube.get(resources.secrets, { name: 's', namespace: 'default' }))
    await lab.unpublish(pod)
    assert.equal(existsSync(pod.targetPath), false)
  })

  test(`a driver killed while ${step} leaks nothing: kubelet may give up and unpublish`, { skip }, async (t) => {
    const { lab, pod } = await killedWhilePublishing(t, reached)
    await lab.unpublish(pod)
    assert.equal(existsSync(pod.targetPath), false)
    assert.deepEqual(
      [...(await mounter.mounted())].filter((path) => path.startsWith(lab.kubeletRoot)),
      [],
    )
  })
}

test('a driver killed in the middle of a switch goes on from what it left', { skip }, async (t) => {
  const lab = await start(t)
  const pod = await lab.pod('web')
  await lab.publish(pod)
  await lab.driver.kill()
  const half = '..2026_01_01_00_00_00.000000001'
  mkdirSync(join(pod.targetPath, half))
  symlinkSync(half, join(pod.targetPath, '..data_tmp'))
  lab.provider.objects.set('foo', { content: 'rotated', version: 'v2' })
  await lab.startDriver({ flags: ['--enable-secret-rotation', '--rotation-poll-interval=1s'] })
  await lab.publish(pod)
  await eventually(() => assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'rotated'))
  assert.equal(existsSync(join(pod.targetPath, half)), false)
})

test('a node that rebooted has the directory but no mount: the next publish mounts and fills it', {
  skip,
}, async (t) => {
  const lab = await start(t)
  const pod = await lab.pod('web')
  mkdirSync(pod.targetPath, { recursive: true })
  await lab.publish(pod)
  assert.equal(await mounter.isMounted(pod.targetPath), true)
  assert.equal(readFileSync(join(pod.targetPath, 'foo'), 'utf8'), 'secret')
})

test('SIGTERM ends the driver with status 0, and the next one answers on the same socket', { skip }, async (t) => {
  const lab = await start(t)
  assert.equal(await lab.driver.stop(), 0)
  await lab.startDriver()
  await lab.publish(await lab.pod('web'))
})

import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { status as Code, type ServiceError } from '@grpc/grpc-js'
import { resources } from '#kubernetes/client'
import { startDriverLab } from '../../support/driver-lab.ts'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { createMemoryCgroup } from '../../support/memory-cgroup.ts'

const mebibyte = 1024 * 1024
const volumeBytes = Math.floor(3.7 * mebibyte)
/** The chart's limit for the driver's container. */
const containerBytes = 200 * mebibyte

test('sixty pods with volumes of 3.7 MiB do not cost the driver its life: what exceeds its budget, half of its memory limit, is refused, also after a restart', {
  skip: !mayMount() && 'needs root or a user namespace',
  timeout: 180_000,
}, async (t) => {
  const cgroup = createMemoryCgroup(t, containerBytes)
  if (cgroup === undefined) t.diagnostic('no cgroup can be made here: the driver gets its budget by the flag')
  const flags = cgroup === undefined ? [`--volume-memory-budget=${containerBytes / 2}`] : []
  const lab = await startDriverLab({ within: cgroup?.enter, flags })
  t.after(() => lab.stop())
  lab.provider.objects.set('large', { content: 'x'.repeat(volumeBytes), version: 'v1', mode: 0o444 })
  await lab.createClass('large', ['large'])
  const pods = await Promise.all(Array.from({ length: 60 }, () => lab.pod('large')))
  for (const pod of pods) writeVolumeData(pod.targetPath)

  const results = await Promise.allSettled(pods.map(lab.publish))
  const mounted = pods.filter((_, i) => results[i]?.status === 'fulfilled')
  const refused = pods.filter((_, i) => results[i]?.status === 'rejected')
  const perVolume = volumeBytes + 56 * 1024
  assert.equal(mounted.length, Math.floor(((containerBytes / 2) * 3) / 4 / perVolume))
  for (const [i, result] of results.entries())
    if (result.status === 'rejected') assertRefused(result.reason, pods[i]?.name)
  for (const { targetPath } of mounted) assert.equal(statSync(join(targetPath, 'large')).size, volumeBytes)
  for (const { targetPath } of refused) assert.equal(existsSync(targetPath), false)
  assert.equal(cgroup?.kills() ?? 0, 0)

  await lab.driver.kill()
  await lab.startDriver()
  const [first, second] = refused
  const [leaving] = mounted
  assert.ok(first !== undefined && second !== undefined && leaving !== undefined)
  const error = await lab.publish(first).then(
    () => assert.fail('a restarted driver has to count what is mounted'),
    (reason: unknown) => reason,
  )
  assertRefused(error, first.name)
  await lab.unpublish(leaving)
  await lab.publish(first)
  assert.equal(readFileSync(join(first.targetPath, 'large')).length, volumeBytes)
  await assert.rejects(lab.publish(second), { code: Code.RESOURCE_EXHAUSTED })
  assert.equal(cgroup?.kills() ?? 0, 0)
})

test('a class that puts one large file under hundreds of keys of a Secret costs itself that Secret, and the driver nothing', {
  skip: !mayMount() && 'needs root or a user namespace',
  timeout: 120_000,
}, async (t) => {
  const cgroup = createMemoryCgroup(t, containerBytes)
  const lab = await startDriverLab({ within: cgroup?.enter })
  t.after(() => lab.stop())
  lab.provider.objects.set('large', { content: 'x'.repeat(volumeBytes), version: 'v1', mode: 0o444 })
  const data = Array.from({ length: 300 }, (_, i) => ({ objectName: 'large', key: `key${i}` }))
  await lab.createClass('many', ['large'], { secretObjects: [{ secretName: 'many', data }] })
  const pod = await lab.pod('many')
  await lab.publish(pod)
  await eventually(async () => {
    const { items } = await lab.kube.list(resources.events, { namespace: 'default' })
    const event = items.find(({ reason }) => reason === 'FailedToCreateSecret')
    assert.match(event?.message ?? '', /files of one entry of secretObjects.*at most 1 MiB are accepted/)
  })
  await lab.publish(await lab.pod('many'))
  assert.equal(cgroup?.kills() ?? 0, 0)
})

function assertRefused(reason: unknown, pod = ''): void {
  const { code, details } = reason as ServiceError
  assert.equal(code, Code.RESOURCE_EXHAUSTED, details)
  const expected = new RegExp(
    `the volume of pod default/${pod} takes 3\\.\\d MiB, and the other volumes of this node take 7\\d\\.\\d MiB of the budget of 100\\.0 MiB, the last quarter of which`,
  )
  assert.match(details, expected)
}

/** kubelet's record of who mounts the volume, which it writes before it asks the driver. */
function writeVolumeData(targetPath: string): void {
  const directory = dirname(targetPath)
  mkdirSync(directory, { recursive: true })
  writeFileSync(join(directory, 'vol_data.json'), JSON.stringify({ driverName: 'secrets-store.csi.k8s.io' }))
}

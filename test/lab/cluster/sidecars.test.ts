import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { startNode } from '../../support/node.ts'

const skip = !mayMount()
const image = 'debian:12'
const shared = [{ name: 'shared', mountPath: '/shared' }]
const volumes = [{ name: 'shared', emptyDir: {} }]

test('a sidecar starts before the next container, starts again when it ends, and ends after the others', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  const sidecar = {
    name: 'sidecar',
    image,
    restartPolicy: 'Always' as const,
    volumeMounts: shared,
    command: [
      'sh',
      '-c',
      'trap "echo ended; exit 0" TERM; echo run >>/shared/runs; test $(wc -l </shared/runs) -ge 2 && while :; do sleep 0.1; done',
    ],
  }
  const early = {
    name: 'early',
    image,
    volumeMounts: shared,
    command: ['sh', '-c', 'until test -e /shared/runs; do sleep 0.1; done'],
  }
  const count = 'until test $(wc -l </shared/runs) -ge 2; do sleep 0.1; done; wc -l </shared/runs'
  await node.run(
    'with',
    { volumeMounts: shared, command: ['sh', '-c', count] },
    { initContainers: [sidecar, early], volumes },
  )
  assert.equal((await node.outputOf('with')).trim(), '2')
  const { status } = await node.pod('with', ({ status: now }) => assert.equal(now?.phase, 'Succeeded'))
  const [first, second] = status?.initContainerStatuses ?? []
  assert.equal(first?.restartCount, 1)
  assert.equal(second?.state?.terminated?.exitCode, 0)
  await eventually(async () => assert.match(await node.log('with', '?container=sidecar'), /ended/))
})

test('a container counts as started when its postStart command has succeeded, and ends when that fails', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  const sleeping = ['sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.1; done']
  const hook = (...command: string[]) => ({
    command: sleeping,
    volumeMounts: shared,
    lifecycle: { postStart: { exec: { command } } },
  })
  await node.run('good', hook('touch', '/shared/hook'), { volumes })
  await node.ready('good')
  assert.equal((await node.exec('good', ['ls', '/shared'])).stdout, 'hook\n')
  await node.run('bad', hook('sh', '-c', 'echo no; exit 4'), { volumes })
  const { status } = await node.pod('bad', ({ status: now }) => assert.equal(now?.phase, 'Failed'))
  assert.equal(status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 3)
  assert.ok((await node.events('bad')).includes('Warning FailedPostStartHook: PostStartHook failed: no'))
})

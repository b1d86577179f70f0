import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { type Pod, resources } from '#kubernetes/client'
import { startCsiPlugin } from '../../support/csi-plugin.ts'
import { eventually } from '../../support/eventually.ts'
import { kubeClientOf } from '../../support/kube-client-of.ts'
import { mayMount } from '../../support/may-mount.ts'
import { hostImage, processesWith, startNode } from '../../support/node.ts'

const skip = !mayMount()
const program = join(import.meta.dirname, '../../../src/bin/local-cluster.ts')
const driver = 'fake.csi.example.com'

/** The program as `keymount up` starts it, so that it can be killed. */
async function launch(t: TestContext, stateDir: string, port: number) {
  const flags = ['--state', stateDir, '--port', String(port), '--sync-frequency', '1s']
  const child = spawn(process.execPath, [program, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => end(child, 'SIGTERM'))
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  const ready = JSON.parse(line) as { server: string; kubeconfig: string; kubeletRoot: string }
  return { ...ready, child, port: Number(new URL(ready.server).port) }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill(signal)
  await once(child, 'exit')
}

const pod = (name: string, marker: string, rest: Partial<Pod['spec']> = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'default' },
  spec: {
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: 'main',
        image: hostImage,
        command: ['sleep', marker],
        securityContext: { runAsUser: 12345 },
        ...rest.containers?.[0],
      },
    ],
    volumes: [{ name: 'v', csi: { driver, volumeAttributes: { content: 'x' } } }],
    ...rest,
  },
})

const mountsBelow = (directory: string) =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` ${directory}`))

test('kill -9 of the node ends its pods’ processes; the next start runs the pods again and leaks nothing', {
  skip,
}, async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'keymount-restart-'))
  t.after(() => rm(stateDir, { recursive: true, force: true }))
  const first = await launch(t, stateDir, 0)
  const kube = kubeClientOf(t, first.kubeconfig)
  await kube.create(resources.csiDrivers, {
    apiVersion: 'storage.k8s.io/v1',
    kind: 'CSIDriver',
    metadata: { name: driver },
    spec: { attachRequired: false, volumeLifecycleModes: ['Ephemeral'] },
  })
  const plugin = await startCsiPlugin({ kubeletRoot: first.kubeletRoot })
  t.after(() => plugin.stop())
  const ready = (name: string, restarts: number) =>
    eventually(async () => {
      const { status } = await kube.get(resources.pods, { name, namespace: 'default' })
      assert.equal(status?.containerStatuses?.[0]?.restartCount, restarts, JSON.stringify(status))
      assert.ok(status?.containerStatuses?.[0]?.state?.running)
    })
  await kube.create(resources.pods, pod('stays', '81001.5'))
  await kube.create(resources.pods, pod('goes', '81002.5'))
  await Promise.all([ready('stays', 0), ready('goes', 0)])
  assert.equal(processesWith('sleep\x0081001.5').length, 1)

  await end(first.child, 'SIGKILL')
  await eventually(() =>
    assert.deepEqual([...processesWith('sleep\x0081001.5'), ...processesWith('sleep\x0081002.5')], []),
  )

  const second = await launch(t, stateDir, first.port)
  await ready('stays', 1)
  const { metadata } = await kube.get(resources.pods, { name: 'goes', namespace: 'default' })
  await kube.delete(resources.pods, { name: 'goes', namespace: 'default' })
  await eventually(() =>
    assert.deepEqual(readdirSync(join(second.kubeletRoot, 'pods')).includes(metadata.uid ?? ''), false),
  )

  await end(second.child, 'SIGTERM')
  assert.deepEqual(processesWith('sleep\x0081001.5'), [])
  assert.deepEqual(mountsBelow(stateDir), [])
  assert.deepEqual(readdirSync(join(stateDir, 'kubelet/pods')), [])
})

test('a pod that was deleted while no node ran is unpublished by the next node', { skip }, async (t) => {
  const node = await startNode(t)
  const { kubeletRoot } = node
  await node.create(resources.csiDrivers, { metadata: { name: driver }, spec: { volumeLifecycleModes: ['Ephemeral'] } })
  const plugin = await startCsiPlugin({ kubeletRoot })
  t.after(() => plugin.stop())
  await node.kube.create(resources.pods, pod('app', '81003.5'))
  await node.ready('app')
  // The API forgets the pod at once; the node still has it.
  await node.kube.delete(resources.pods, { name: 'app', namespace: 'default' }, { gracePeriodSeconds: 0 })
  await eventually(() => assert.equal(plugin.unpublished.length, 1))
  await eventually(() => assert.deepEqual(readdirSync(join(kubeletRoot, 'pods')), []))
  assert.deepEqual(processesWith('sleep\x0081003.5'), [])
})

test('stop ends pods, unmounts everything and leaves the pods in the API for the next start', { skip }, async (t) => {
  const stateDir = await mkdtemp(join(tmpdir(), 'keymount-restart-'))
  const first = await startNode(t, { stateDir })
  await first.run('forever', { command: ['sleep', '81004.5'] }, { restartPolicy: 'Always' })
  await first.run('once', { command: ['sh', '-c', 'echo done'] })
  await first.run('never', { command: ['sleep', '81005.5'] })
  await first.ready('forever')
  await first.ready('never')
  await first.outputOf('once')
  first.kube.close()
  await first.stop()
  assert.deepEqual(processesWith('sleep\x0081004.5'), [])
  assert.deepEqual(mountsBelow(stateDir), [])
  const second = await startNode(t, { stateDir })
  const pod = await second.ready('forever')
  assert.equal(pod.status?.containerStatuses?.[0]?.restartCount, 1)
  const { status } = await second.pod('once', () => {})
  assert.equal(status?.phase, 'Succeeded')
  assert.equal(status?.containerStatuses?.[0]?.restartCount, 0)
  assert.equal(await second.log('once'), 'done\n')
  const never = await second.pod('never', (pod) => assert.equal(pod.status?.phase, 'Failed'))
  assert.equal(never.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 137)
  await second.stop()
  await rm(stateDir, { recursive: true })
})

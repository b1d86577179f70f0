import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { copyWithLibraries, findProgram } from '../../../src/lab/cluster/kubelet/host-programs.ts'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { processesWith, processWith, startNode } from '../../support/node.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const skip = !mayMount()
const sleeping = { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'] }

test('a pod is a process in namespaces of its own that sees nothing of the machine but its programs', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  await node.run('alone', {
    command: ['sh', '-c', 'ls -A / /mnt /root /home; echo pid=$$$$; hostname; cut -d" " -f5 /proc/self/mountinfo'],
  })
  const lines = (await node.outputOf('alone')).split('\n')
  assert.ok(lines.includes('pid=1'))
  assert.ok(lines.includes('alone'))
  assert.ok(!lines.some((line) => line.includes(node.stateDir)), 'no path of the machine is visible')
  assert.ok(!lines.includes('.host'))
  const root = lines.slice(1, lines.indexOf(''))
  const own = ['etc', 'home', 'media', 'mnt', 'opt', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'usr', 'var', 'dev']
  const links = ['bin', 'sbin', 'lib', 'lib32', 'lib64', 'libx32']
  assert.deepEqual(
    root.filter((name) => ![...own, ...links].includes(name)),
    [],
  )
  assert.deepEqual(lines.slice(lines.indexOf('/mnt:')).slice(0, 2), ['/mnt:', ''])
})

test('a pod ends with the status, reason and phase of its command', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('good', { command: ['true'] })
  await node.run('bad', { command: ['sh', '-c', 'exit 7'] })
  // Process 1 of a namespace can only be killed from outside it.
  await node.run('killed', { command: ['sleep', '86399.5'] })
  await node.ready('killed')
  process.kill(processWith('sleep\x0086399.5'), 'SIGKILL')
  const killed = await node.pod('killed', ({ status }) => assert.equal(status?.phase, 'Failed'))
  const good = await node.pod('good', ({ status }) => assert.equal(status?.phase, 'Succeeded'))
  const bad = await node.pod('bad', ({ status }) => assert.equal(status?.phase, 'Failed'))
  const state = (pod: typeof good) => pod.status?.containerStatuses?.[0]?.state?.terminated
  assert.equal(state(good)?.reason, 'Completed')
  assert.equal(state(bad)?.exitCode, 7)
  assert.equal(state(killed)?.exitCode, 137)
  assert.equal(state(bad)?.reason, 'Error')
  const ready = bad.status?.conditions?.find(({ type }) => type === 'Ready')
  assert.equal(ready?.reason, 'ContainersNotReady')
  assert.deepEqual((await node.events('good')).sort(), [
    'Normal Created: Created container: main',
    `Normal Pulled: Container image "debian:12" is made of this machine's own /usr, /bin and /lib, read-only`,
    'Normal Scheduled: Successfully assigned default/good to test-node',
    'Normal Started: Started container main',
  ])
})

test('variables come from values, fields, secrets and config maps, and arguments may name them', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  await node.create(resources.secrets, {
    metadata: { name: 's' },
    data: { word: Buffer.from('hush').toString('base64') },
  })
  await node.create(resources.configMaps, { metadata: { name: 'c' }, data: { 'odd.name': 'odd', COLOUR: 'red' } })
  await node.run('env', {
    command: [
      'sh',
      '-c',
      'echo $0 $1; env; tr "\\0" "\\n" < /proc/self/environ',
      '$(GREETING)',
      '$$(GREETING) $(UNSET)',
    ],
    envFrom: [{ prefix: 'P_', configMapRef: { name: 'c' } }, { configMapRef: { name: 'none', optional: true } }],
    env: [
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'GREETING', value: 'hello $(NAME)' },
      { name: 'WORD', valueFrom: { secretKeyRef: { name: 's', key: 'word' } } },
      { name: 'NODE', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'LD_LIBRARY_PATH', value: '/nowhere' },
      { name: 'PWD', value: '/own' },
    ],
  })
  const lines = new Set((await node.outputOf('env')).split('\n'))
  const api = new URL(node.kube.server)
  for (const line of [
    'hello env $(GREETING) $(UNSET)',
    'P_COLOUR=red',
    'P_odd.name=odd',
    'WORD=hush',
    'NODE=test-node',
    'IP=127.0.0.1',
    'LD_LIBRARY_PATH=/nowhere',
    'HOSTNAME=env',
    `KUBERNETES_SERVICE_HOST=${api.hostname}`,
    `KUBERNETES_SERVICE_PORT=${api.port}`,
  ])
    assert.ok(lines.has(line), `${line} in ${[...lines].join(' | ')}`)
})

test('a container waits for a config map that is missing, and starts by itself', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('waits', {
    command: ['true'],
    env: [{ name: 'A', valueFrom: { configMapKeyRef: { name: 'late', key: 'a' } } }],
  })
  await node.pod('waits', ({ status }) => {
    const waiting = status?.containerStatuses?.[0]?.state?.waiting
    assert.deepEqual(waiting, { reason: 'CreateContainerConfigError', message: 'configmap "late" not found' })
  })
  await node.create(resources.configMaps, { metadata: { name: 'late' }, data: { a: 'x' } })
  await node.pod('waits', ({ status }) => assert.equal(status?.phase, 'Succeeded'))
})

test('init containers run one after the other before the containers, and a failed one ends a pod that never restarts', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  const volumeMounts = [{ name: 'd', mountPath: '/d' }]
  const step = (name: string, script: string) => ({
    name,
    image: 'debian',
    command: ['sh', '-c', script],
    volumeMounts,
  })
  await node.run(
    'inits',
    { command: ['cat', '/d/log'], volumeMounts },
    {
      volumes: [{ name: 'd', emptyDir: {} }],
      initContainers: [step('a', 'echo one >> /d/log'), step('b', 'echo two >> /d/log')],
    },
  )
  await node.run(
    'broken',
    { command: ['true'] },
    { initContainers: [{ name: 'a', image: 'debian', command: ['false'] }] },
  )
  assert.equal(await node.outputOf('inits'), 'one\ntwo\n')
  const broken = await node.pod('broken', ({ status }) => assert.equal(status?.phase, 'Failed'))
  assert.equal(broken.status?.containerStatuses?.[0]?.state?.waiting?.reason, 'PodInitializing')
})

test('a container that ends is restarted, at once and then later and later', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('crash', { command: ['sh', '-c', 'echo run; exit 3'] }, { restartPolicy: 'Always' })
  const pod = await node.pod('crash', ({ status }) => {
    const [container] = status?.containerStatuses ?? []
    assert.equal(container?.state?.waiting?.reason, 'CrashLoopBackOff')
    assert.equal(container?.restartCount, 1)
  })
  assert.equal(pod.status?.phase, 'Running')
  assert.equal(pod.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 3)
  assert.match(
    (await node.events('crash')).join('\n'),
    /Warning BackOff: Back-off restarting failed container main in pod crash_default/,
  )
  assert.equal(await node.log('crash', '?previous=true'), 'run\n')
})

test('a deleted pod gets SIGTERM and the time to end in peace', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run(
    'calm',
    {
      command: ['sh', '-c', 'trap "echo bye >> /d/bye; exit 0" TERM; while :; do sleep 0.05; done'],
      volumeMounts: [{ name: 'd', mountPath: '/d' }],
    },
    {
      volumes: [{ name: 'd', hostPath: { path: node.stateDir } }],
      terminationGracePeriodSeconds: 30,
    },
  )
  await node.ready('calm')
  await node.delete('calm')
  assert.equal(readFileSync(`${node.stateDir}/bye`, 'utf8'), 'bye\n')
  assert.match((await node.events('calm')).join('\n'), /Normal Killing: Stopping container main/)
})

test('a pod that ignores SIGTERM is killed after its grace period', { skip }, async (t) => {
  const node = await startNode(t)
  const script = 'trap "echo ignored >> /d/signals" TERM; while :; do sleep 86398.5 & wait; done'
  await node.run(
    'stubborn',
    { command: ['sh', '-c', script], volumeMounts: [{ name: 'd', mountPath: '/d' }] },
    { volumes: [{ name: 'd', hostPath: { path: node.stateDir } }], terminationGracePeriodSeconds: 1 },
  )
  await node.ready('stubborn')
  await eventually(() => assert.notDeepEqual(processesWith('sleep\x0086398.5'), []))
  await node.delete('stubborn')
  assert.equal(readFileSync(join(node.stateDir, 'signals'), 'utf8'), 'ignored\n')
  assert.deepEqual(processesWith('sleep\x0086398.5'), [])
  assert.match((await node.events('stubborn')).join('\n'), /Normal Killing: Stopping container main/)
})

test('probes decide whether a pod is ready and whether it is restarted', { skip }, async (t) => {
  const node = await startNode(t)
  const onFile = (file: string) => ({ exec: { command: ['test', '-e', file] }, periodSeconds: 1, failureThreshold: 1 })
  await node.run(
    'probed',
    {
      ...sleeping,
      readinessProbe: onFile('/tmp/ready'),
      livenessProbe: { ...onFile('/tmp/ready'), initialDelaySeconds: 2 },
    },
    { restartPolicy: 'Always' },
  )
  const running = await node.pod('probed', ({ status }) => assert.ok(status?.containerStatuses?.[0]?.state?.running))
  assert.equal(running.status?.containerStatuses?.[0]?.ready, false)
  await node.exec('probed', ['touch', '/tmp/ready'])
  await node.ready('probed')
  await node.exec('probed', ['rm', '/tmp/ready'])
  await node.pod('probed', ({ status }) => assert.equal(status?.containerStatuses?.[0]?.restartCount, 1))
  const events = (await node.events('probed')).join('\n')
  assert.match(events, /Warning Unhealthy: Readiness probe failed/)
  assert.match(events, /Normal Killing: Container main failed liveness probe, will be restarted/)
})

test('root has the capabilities of a container, fewer when dropped, and no way to write to a read-only root', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  const command = [
    'sh',
    '-c',
    'grep CapEff /proc/self/status; grep NoNewPrivs /proc/self/status; touch /new || echo refused',
  ]
  await node.run('default', { command })
  await node.run('none', {
    command,
    securityContext: { capabilities: { drop: ['ALL'] }, allowPrivilegeEscalation: false, readOnlyRootFilesystem: true },
  })
  assert.equal(await node.outputOf('default'), 'CapEff:\t00000000a80425fb\nNoNewPrivs:\t0\n')
  const none = await node.outputOf('none')
  assert.match(none, /CapEff:\t0000000000000000\nNoNewPrivs:\t1\n/)
  assert.match(none, /Read-only file system\nrefused/)
})

test('an image that was given is its directory, with the command from its .entrypoint', { skip }, async (t) => {
  const image = await mkdtemp(join(tmpdir(), 'keymount-image-'))
  t.after(() => rm(image, { recursive: true }))
  await copyWithLibraries('/usr/bin/ldd', '/bin/sh', image, '/bin/sh')
  writeFileSync(join(image, 'motto'), 'own root')
  writeFileSync(
    join(image, '.entrypoint'),
    JSON.stringify(['/bin/sh', '-c', 'read -r motto < /motto; echo $motto: $0 $1; echo > /new']),
  )
  const node = await startNode(t, { images: new Map([['registry.example.com/own:1', image]]) })
  await node.run('own', { image: 'registry.example.com/own:1', args: ['a', 'b'] })
  assert.equal(await node.outputOf('own'), 'own root: a b\n')
  assert.ok(!existsSync(join(image, 'new')), 'the directory stays as it is')
  await node.run('other', { image: 'registry.example.com/own:2', command: ['ls', '/usr/bin/env'] })
  assert.equal(await node.outputOf('other'), '/usr/bin/env\n')
})

test('an image that was given without a tag is that of all tags, and with */ of all registries; an overlay adds files and variables', {
  skip,
}, async (t) => {
  const [image, overlay] = [temporaryDirectory(t), temporaryDirectory(t)]
  await copyWithLibraries('/usr/bin/ldd', '/bin/sh', image, '/bin/sh')
  writeFileSync(join(image, '.entrypoint'), '["/bin/sh", "-c", "read -r line < /added; echo $line $A $B"]')
  writeFileSync(join(overlay, 'added'), 'added\n')
  writeFileSync(join(overlay, '.environment'), JSON.stringify({ A: 'of the image', B: 'of the image' }))
  const images = new Map([
    ['registry.example.com/team/own', image],
    ['*/any', image],
  ])
  const node = await startNode(t, { images, imageOverlay: overlay })
  const names = ['registry.example.com/team/own:2', 'localhost:5000/a/any:1@sha256:0123', 'any']
  for (const [index, name] of names.entries()) {
    await node.run(`own-${index}`, { image: name, env: [{ name: 'B', value: 'of the pod' }] })
    assert.equal(await node.outputOf(`own-${index}`), 'added of the image of the pod\n', name)
  }
  await node.run('other', { image: 'registry.example.com/other/own:2', command: ['ls', '/usr/bin/env'] })
  assert.equal(await node.outputOf('other'), '/usr/bin/env\n')
})

test('busybox is the machine’s own, if it has one', {
  skip: skip || findProgram('busybox') === undefined,
}, async (t) => {
  const node = await startNode(t)
  await node.run('box', { image: 'docker.io/library/busybox:1.36', command: ['sh', '-c', 'ls -l /bin/ls; ls /usr'] })
  assert.match(await node.outputOf('box'), /-> busybox\nls: \/usr: No such file/)
  // What `kubectl run NAME --image=busybox -- sh -c …` makes: busybox has no entry point of its own.
  await node.run('args', { image: 'busybox', args: ['sh', '-c', 'echo by args'] })
  assert.equal(await node.outputOf('args'), 'by args\n')
})

test('an image that is not on this machine and names no command idles, and reports it', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('unknown', { image: 'nginx' })
  await node.ready('unknown')
  assert.match(
    (await node.events('unknown')).join('\n'),
    /Warning NoCommand: Container image "nginx" is not on this machine/,
  )
})

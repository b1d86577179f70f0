import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { startNode } from '../../support/node.ts'

const skip = !mayMount()
const base64 = (text: string) => Buffer.from(text).toString('base64')
const idle = { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'] }

test('a projected token is signed by the cluster for its audience and bound to the pod', { skip }, async (t) => {
  const node = await startNode(t)
  const pod = await node.run(
    'tokens',
    { command: ['cat', '/t/azure'], volumeMounts: [{ name: 't', mountPath: '/t', readOnly: true }] },
    {
      volumes: [
        {
          name: 't',
          projected: {
            sources: [{ serviceAccountToken: { path: 'azure', audience: 'api://test', expirationSeconds: 600 } }],
          },
        },
      ],
    },
  )
  const keys = JSON.parse(
    await node.kube.raw({ method: 'GET', path: '/openid/v1/jwks', headers: { accept: '*/*' } }),
  ) as JSONWebKeySet
  const { payload } = await jwtVerify(await node.outputOf('tokens'), createLocalJWKSet(keys), {
    audience: 'api://test',
  })
  assert.equal(payload.sub, 'system:serviceaccount:default:default')
  assert.equal((payload.exp ?? 0) - (payload.iat ?? 0), 600)
  const bound = payload['kubernetes.io'] as { pod: { name: string; uid: string } }
  assert.deepEqual(bound.pod, { name: 'tokens', uid: pod.metadata.uid })
})

test('a pod can speak to the API server with what every pod has', { skip }, async (t) => {
  const node = await startNode(t)
  const directory = '/var/run/secrets/kubernetes.io/serviceaccount'
  await node.run('client', {
    command: [
      'sh',
      '-c',
      `ls ${directory}; cat ${directory}/namespace; stat -fc %T ${directory}; head -1 ${directory}/ca.crt`,
    ],
  })
  assert.equal(await node.outputOf('client'), 'ca.crt\nnamespace\ntoken\ndefaulttmpfs\n-----BEGIN CERTIFICATE-----\n')
})

test('files of config maps and secrets follow their objects, all at once', { skip }, async (t) => {
  const node = await startNode(t, { syncFrequencyMs: 100 })
  await node.create(resources.configMaps, { metadata: { name: 'c' }, data: { a: '1', b: '1', unused: 'x' } })
  await node.create(resources.secrets, { metadata: { name: 's' }, data: { key: base64('old') } })
  await node.run(
    'files',
    {
      ...idle,
      volumeMounts: [
        { name: 'c', mountPath: '/c' },
        { name: 's', mountPath: '/s' },
        { name: 'c', mountPath: '/one', subPath: 'a' },
      ],
    },
    {
      volumes: [
        {
          name: 'c',
          configMap: {
            name: 'c',
            items: [
              { key: 'a', path: 'a' },
              { key: 'b', path: 'deep/b', mode: 0o600 },
            ],
          },
        },
        { name: 's', secret: { secretName: 's', defaultMode: 0o400 } },
      ],
    },
  )
  await node.ready('files')
  const show = async () =>
    (await node.exec('files', ['sh', '-c', 'cat /c/a /c/deep/b /s/key /one; ls /c; stat -Lc %a /c/deep/b /s/key']))
      .stdout
  assert.equal(await show(), '11old1a\ndeep\n600\n400\n')
  await node.kube.patch(resources.configMaps, { name: 'c', namespace: 'default' }, { data: { a: '2', b: '2' } })
  await node.kube.patch(resources.secrets, { name: 's', namespace: 'default' }, { data: { key: base64('new') } })
  // A file mounted by subPath stays what it was, as in Kubernetes.
  await eventually(async () => assert.equal(await show(), '22new1a\ndeep\n600\n400\n'))
})

test('what a volume needs and does not exist is an event, and the pod starts when it does', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run(
    'waits',
    { command: ['cat', '/s/key'], volumeMounts: [{ name: 's', mountPath: '/s' }] },
    { volumes: [{ name: 's', secret: { secretName: 'late' } }] },
  )
  await eventually(async () =>
    assert.ok(
      (await node.events('waits')).includes(
        'Warning FailedMount: MountVolume.SetUp failed for volume "s" : secret "late" not found',
      ),
    ),
  )
  const pod = await node.pod('waits', ({ status }) =>
    assert.equal(status?.containerStatuses?.[0]?.state?.waiting?.reason, 'ContainerCreating'),
  )
  assert.equal(pod.status?.phase, 'Pending')
  await node.create(resources.secrets, { metadata: { name: 'late' }, data: { key: base64('here') } })
  assert.equal(await node.outputOf('waits'), 'here')
})

test('containers share an emptyDir, which goes with the pod', { skip }, async (t) => {
  const node = await startNode(t)
  const volumeMounts = [
    { name: 'disk', mountPath: '/disk' },
    { name: 'memory', mountPath: '/memory' },
  ]
  await node.run(
    'pair',
    {},
    {
      containers: [
        {
          name: 'writer',
          image: 'debian',
          command: ['sh', '-c', 'echo disk > /disk/f; echo memory > /memory/f; sleep 100'],
          volumeMounts,
        },
        {
          name: 'reader',
          image: 'debian',
          ...idle,
          volumeMounts: volumeMounts.map((mount) => ({ ...mount, readOnly: true })),
        },
      ],
      volumes: [
        { name: 'disk', emptyDir: {} },
        { name: 'memory', emptyDir: { medium: 'Memory' } },
      ],
    },
  )
  await node.ready('pair')
  await eventually(async () =>
    assert.equal(
      (await node.exec('pair', ['sh', '-c', 'cat /disk/f /memory/f; stat -fc %T /memory'], 'reader')).stdout,
      'disk\nmemory\ntmpfs\n',
    ),
  )
  assert.notEqual((await node.exec('pair', ['touch', '/disk/x'], 'reader')).code, 0)
  await node.delete('pair')
  assert.deepEqual(readdirSync(join(node.kubeletRoot, 'pods')), [])
})

test('a container cannot leave its volume through a link, nor the machine through an image', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run(
    'linker',
    { command: ['ln', '-s', '/etc', '/d/out'], volumeMounts: [{ name: 'd', mountPath: '/d' }] },
    {
      volumes: [{ name: 'd', hostPath: { path: join(node.stateDir, 'shared'), type: 'DirectoryOrCreate' } }],
    },
  )
  await node.outputOf('linker')
  await node.run(
    'follower',
    { command: ['true'], volumeMounts: [{ name: 'd', mountPath: '/d', subPath: 'out' }] },
    {
      volumes: [{ name: 'd', hostPath: { path: join(node.stateDir, 'shared') } }],
    },
  )
  await node.pod('follower', ({ status }) => {
    assert.equal(status?.containerStatuses?.[0]?.state?.waiting?.message, 'subPath "out" leads out of volume "d"')
  })
  // The target goes through a link inside the container: it must end inside it too.
  await node.run(
    'inner',
    {
      command: ['sh', '-c', 'test -e /d/out/passwd && ls /d/out/sub'],
      volumeMounts: [
        { name: 'd', mountPath: '/d' },
        { name: 'e', mountPath: '/d/out/sub' },
      ],
    },
    {
      volumes: [
        { name: 'd', hostPath: { path: join(node.stateDir, 'shared') } },
        { name: 'e', emptyDir: {} },
      ],
    },
  )
  await node.outputOf('inner')
  assert.ok(!existsSync('/etc/sub'))
})

test('a hostPath is a path of the node in the state directory, never of the machine, also through a link', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  const name = `keymount-${randomUUID()}`
  const hostPath = (path: string, type?: string) => ({
    volumes: [{ name: 'd', hostPath: { path, ...(type === undefined ? {} : { type }) } }],
  })
  const writing = (script: string) => ({
    command: ['sh', '-c', script],
    volumeMounts: [{ name: 'd', mountPath: '/d' }],
  })
  for (const [pod, path, type] of [
    ['created', `/etc/${name}`, 'DirectoryOrCreate'],
    ['untyped', `/var/run/${name}`, undefined],
    ['kubelet', `/var/lib/kubelet/plugins/${name}`, 'DirectoryOrCreate'],
  ] as const) {
    await node.run(pod, writing('echo there > /d/file'), hostPath(path, type))
    await node.outputOf(pod)
    assert.ok(!existsSync(path), path)
  }
  assert.equal(readFileSync(join(node.stateDir, 'node/etc', name, 'file'), 'utf8'), 'there\n')
  assert.equal(readFileSync(join(node.stateDir, 'node/run', name, 'file'), 'utf8'), 'there\n')
  assert.equal(readFileSync(join(node.kubeletRoot, 'plugins', name, 'file'), 'utf8'), 'there\n')

  await node.run('linker', writing('ln -s /etc /d/link'), hostPath('/opt', 'Directory'))
  await node.outputOf('linker')
  await node.run('follower', writing('true'), hostPath('/opt/link/new', 'DirectoryOrCreate'))
  await eventually(async () =>
    assert.match((await node.events('follower')).join('\n'), /hostPath \/opt\/link\/new leads out of the node/),
  )
  assert.ok(!existsSync('/etc/new'))

  await node.run('missing', writing('true'), hostPath(`/etc/${name}/none`, 'File'))
  await eventually(async () =>
    assert.match((await node.events('missing')).join('\n'), /hostPath type check failed: .*none does not exist/),
  )
})

test('mounts of a privileged pod reach the machine and other pods', { skip }, async (t) => {
  const node = await startNode(t)
  const pods = join(node.kubeletRoot, 'pods')
  const hostPath = { volumes: [{ name: 'pods', hostPath: { path: pods, type: 'Directory' } }] }
  const mount = (mountPropagation: 'Bidirectional' | 'HostToContainer') => ({
    volumeMounts: [{ name: 'pods', mountPath: pods, mountPropagation }],
  })
  const script = `mkdir ${pods}/x && mount -t tmpfs tmpfs ${pods}/x && echo seen > ${pods}/x/file; trap "umount ${pods}/x; rmdir ${pods}/x; exit 0" TERM; while :; do sleep 0.1; done`
  await node.run('sees', { ...idle, ...mount('HostToContainer') }, hostPath)
  await node.ready('sees')
  await node.run(
    'mounts',
    { command: ['sh', '-c', script], securityContext: { privileged: true }, ...mount('Bidirectional') },
    { ...hostPath, terminationGracePeriodSeconds: 10 },
  )
  await node.ready('mounts')
  await eventually(() => assert.ok(existsSync(join(pods, 'x/file'))))
  assert.equal((await node.exec('sees', ['cat', join(pods, 'x/file')])).stdout, 'seen\n')
  await node.delete('mounts')
  assert.ok(!existsSync(join(pods, 'x')))
  assert.equal((await node.exec('sees', ['ls', pods])).stdout.includes('x\n'), false)
})

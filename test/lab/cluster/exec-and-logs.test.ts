import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { loadKubeconfig } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { startNode, type TestNode } from '../../support/node.ts'

const skip = !mayMount()
const idle = { command: ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.1; done'] }

/** An exec session as kubectl holds it. https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/4006-transition-spdy-to-websockets */
async function openExec(t: TestContext, node: TestNode, pod: string, query: string) {
  const { server, ca = '', cert = '', key = '' } = loadKubeconfig(`${node.stateDir}/kubeconfig`)
  const url = `${server.replace('https', 'wss')}/api/v1/namespaces/default/pods/${pod}/exec?${query}`
  const socket = new WebSocket(url, 'v5.channel.k8s.io', { ca, cert, key })
  t.after(() => socket.terminate())
  let output = ''
  let status = ''
  socket.on('message', (data: Buffer) => {
    if (data[0] === 3) status += data.subarray(1).toString()
    else output += data.subarray(1).toString()
  })
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  const send = (channel: number, bytes: string) => socket.send(Buffer.concat([Buffer.of(channel), Buffer.from(bytes)]))
  return {
    type: (text: string) => send(0, text),
    endInput: () => socket.send(Buffer.of(255, 0)),
    resize: (columns: number, rows: number) => send(4, JSON.stringify({ Width: columns, Height: rows })),
    sees: (pattern: RegExp) => eventually(() => assert.match(output, pattern)),
    ends: () => eventually(() => JSON.parse(status) as { status: string; details?: { causes: { message: string }[] } }),
    close: () => socket.close(),
  }
}

test('exec runs a command with the container’s user, variables and directory, and gives its status', {
  skip,
}, async (t) => {
  const node = await startNode(t)
  await node.run('app', {
    ...idle,
    workingDir: '/work',
    env: [{ name: 'A', value: 'b c' }],
    securityContext: { capabilities: { drop: ['ALL'] } },
  })
  await node.ready('app')
  const result = await node.exec('app', [
    'sh',
    '-c',
    'pwd; echo "$A"; grep CapEff /proc/self/status; echo bad >&2; exit 7',
  ])
  assert.deepEqual(result, { stdout: '/work\nb c\nCapEff:\t0000000000000000\n', stderr: 'bad\n', code: 7 })
  const missing = await node.exec('app', ['no-such-program'])
  assert.equal(missing.code, 127)
  assert.match(missing.stderr, /no-such-program.*No such file or directory/)
  await assert.rejects(node.exec('app', ['true'], 'other'), /container other is not valid for pod app/)
})

test('exec into a container that is over is refused', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('over', { command: ['true'] })
  await node.outputOf('over')
  await assert.rejects(node.exec('over', ['true']), /container main of pod over is not running/)
})

test('exec passes input on, and its end', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('app', idle)
  await node.ready('app')
  const session = await openExec(t, node, 'app', 'command=wc&command=-c&stdin=true&stdout=true&stderr=true')
  session.type('12345')
  session.endInput()
  await session.sees(/^5\n$/)
  assert.equal((await session.ends()).status, 'Success')
})

test('exec with a terminal has a real one, of the size that the user has', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('app', idle)
  await node.ready('app')
  const session = await openExec(t, node, 'app', 'command=bash&command=--norc&stdin=true&stdout=true&tty=true')
  session.resize(133, 41)
  await session.sees(/bash-.*[#$] /)
  session.type('test -t 0 && echo a $TERM; sleep 0.2; stty size\r')
  await session.sees(/a xterm\r\n41 133\r\n/)
  session.type('exit 3\r')
  assert.equal((await session.ends()).details?.causes[0]?.message, '3')
})

test('a command ends when its user goes away', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('app', idle)
  await node.ready('app')
  for (const query of ['', '&tty=true&stdin=true']) {
    const session = await openExec(t, node, 'app', `command=sleep&command=7654&stdout=true${query}`)
    const list = async () => (await node.exec('app', ['sh', '-c', 'cat /proc/[0-9]*/cmdline | tr "\\0" " "'])).stdout
    await eventually(async () => assert.match(await list(), /sleep 7654/))
    session.close()
    await eventually(async () => assert.doesNotMatch(await list(), /sleep 7654/))
  }
})

test('logs are read whole, from their end, and as they come', { skip }, async (t) => {
  const node = await startNode(t)
  await node.run('talks', {
    command: ['sh', '-c', 'seq 1 20000; until [ -e /tmp/go ]; do sleep 0.05; done; echo last >&2'],
  })
  await node.ready('talks')
  await eventually(async () => assert.match(await node.log('talks'), /\n20000\n$/))
  assert.equal((await node.log('talks')).split('\n').length, 20001)
  assert.equal(await node.log('talks', '?tailLines=2'), '19999\n20000\n')
  assert.equal((await node.log('talks', '?tailLines=19999')).slice(0, 4), '2\n3\n')
  assert.equal(await node.log('talks', '?tailLines=0'), '')
  // The follower is there before the last line is written.
  const begun = Promise.withResolvers<void>()
  const following = node.follow('talks', 'tailLines=1', begun.resolve)
  await begun.promise
  await node.exec('talks', ['touch', '/tmp/go'])
  assert.deepEqual(await following, ['20000', 'last'])
})

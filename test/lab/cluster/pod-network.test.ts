import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { listen } from '#lib/http'
import { eventually } from '../../support/eventually.ts'
import { findKubectl, kubectlFor, kubectlMissing } from '../../support/kubectl.ts'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { mayHavePodNetwork, noPodNetwork } from '../../support/may-have-pod-network.ts'
import { linksOfMachine, networkNamespaces } from '../../support/network-namespaces.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

// Pods with networks of their own, as the user of a real kubectl sees them.
const program = findKubectl()
const skip = program === undefined ? kubectlMissing : !mayHavePodNetwork() && noPodNetwork

const busybox = 'busybox:1'
const served = 8080

/** A container that serves its own name on one port, the same in every pod. */
const server = (name: string) => ({
  name: 'app',
  image: busybox,
  command: ['sh', '-c', `mkdir -p /www; echo ${name} >/www/name; exec httpd -f -p ${served} -h /www`],
  ports: [{ name: 'web', containerPort: served }],
  readinessProbe: { httpGet: { path: '/name', port: 'web' }, periodSeconds: 1 },
})

interface PodOptions {
  labels?: Record<string, string>
  spec?: object
}

const pod = (name: string, container: object, { labels = {}, spec = {} }: PodOptions = {}) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, labels },
  spec: { terminationGracePeriodSeconds: 0, containers: [container], ...spec },
})

const sleeper = { name: 'app', image: busybox, command: ['sleep', '86399'] }

async function start(t: TestContext, imageOverlay?: string) {
  const cluster = await startLocalCluster(t, { podNetwork: true, imageOverlay })
  const kubectl = kubectlFor(program ?? '', { kubeconfig: cluster.kubeconfig, cacheDir: `${cluster.stateDir}/kubectl` })
  const run = async (...words: string[]) => {
    const { status, stdout, stderr } = await kubectl(words)
    assert.equal(status, 0, `kubectl ${words.join(' ')}: ${stderr}`)
    return stdout.trim()
  }
  return {
    cluster,
    kubectl,
    run,
    async create(...objects: object[]) {
      for (const object of objects) {
        const { status, stderr } = await kubectl(['create', '-f', '-'], object)
        assert.equal(status, 0, stderr)
      }
    },
    ready: (name: string) => run('wait', '--for=condition=Ready', `pod/${name}`, '--timeout=30s'),
    addressOf: (name: string) => run('get', 'pod', name, '-o', 'jsonpath={.status.podIP}'),
    /** The answer of a server, as a program in a pod gets it. */
    fetch: (from: string, url: string) => run('exec', from, '--', 'timeout', '5', 'wget', '-q', '-O', '-', url),
  }
}

test('every pod has an address, two pods listen on one port, and probes, logs and exec reach them', {
  skip,
}, async (t) => {
  const { create, ready, run, addressOf, fetch } = await start(t)
  await create(pod('first', server('first')), pod('second', server('second')))
  await Promise.all([ready('first'), ready('second')])
  const [first, second] = [await addressOf('first'), await addressOf('second')]
  assert.notEqual(first, second)
  const wide = await run('get', 'pod', 'first', '-o', 'wide')
  assert.match(wide, new RegExp(`\\s${first.replaceAll('.', '\\.')}\\s`))
  assert.equal(await fetch('first', `http://${second}:${served}/name`), 'second')
  assert.equal(await fetch('second', `http://${first}:${served}/name`), 'first')
  assert.equal(await fetch('first', `http://127.0.0.1:${served}/name`), 'first')
  assert.match(await run('exec', 'first', '--', 'cat', '/etc/hosts'), new RegExp(`${first}\\tfirst`))
  assert.equal(await run('get', 'pod', 'first', '-o', 'jsonpath={.status.hostIP}'), '10.245.0.1')
})

test('a pod reaches a Service by its address and its names, and only pods that are ready get its connections', {
  skip,
}, async (t) => {
  const { create, ready, run, fetch, kubectl } = await start(t)
  const service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'shop' },
    spec: { selector: { app: 'shop' }, ports: [{ port: 80, targetPort: 'web' }] },
  }
  const labels = { app: 'shop' }
  const unready = { ...server('unready'), readinessProbe: { exec: { command: ['false'] } } }
  await create(
    service,
    pod('client', sleeper),
    pod('one', server('one'), { labels }),
    pod('two', server('two'), { labels }),
  )
  await create(pod('unready', unready, { labels }))
  await Promise.all([ready('client'), ready('one'), ready('two')])
  const address = await run('get', 'service', 'shop', '-o', 'jsonpath={.spec.clusterIP}')
  assert.match(address, /^10\.96\./)
  const names = ['shop', 'shop.default', 'shop.default.svc', 'shop.default.svc.cluster.local']
  for (const host of [address, ...names]) {
    assert.match(await fetch('client', `http://${host}/name`), /^(one|two)$/, host)
  }
  const heard = new Set(await Promise.all(Array.from({ length: 6 }, () => fetch('client', 'http://shop/name'))))
  assert.deepEqual([...heard].sort(), ['one', 'two'])

  await run('delete', 'pod', 'one', 'two')
  await eventually(async () => assert.rejects(fetch('client', 'http://shop/name'), /refused|reset/))
  await create({ ...service, metadata: { name: 'direct' }, spec: { ...service.spec, clusterIP: 'None' } })
  await create(pod('three', server('three'), { labels }))
  await ready('three')
  assert.equal(await fetch('client', `http://direct:${served}/name`), 'three')
  const { status, stderr } = await kubectl(['replace', '-f', '-'], service)
  assert.equal(status, 0, stderr)
  assert.equal(await run('get', 'service', 'shop', '-o', 'jsonpath={.spec.clusterIP}'), address, 'an update keeps it')
})

test('a pod reaches the API server, servers of the machine that the lab names, and nothing else of the machine', {
  skip,
}, async (t) => {
  const machine = await listen(
    createServer((_, response) => response.end('of the machine')),
    { host: '127.0.0.1', port: 0 },
  )
  t.after(() => machine.stop())
  const overlay = temporaryDirectory(t, 'overlay-')
  const forwards = {
    '10.245.0.2:18443': `127.0.0.1:${machine.port}`,
    '169.254.169.254:80': `127.0.0.1:${machine.port}`,
  }
  writeFileSync(join(overlay, '.forwards'), JSON.stringify(forwards))
  const { create, ready, run, fetch } = await start(t, overlay)
  await create(pod('client', sleeper))
  await ready('client')
  assert.equal(await fetch('client', 'http://10.245.0.2:18443/'), 'of the machine')
  assert.equal(await fetch('client', 'http://169.254.169.254/metadata'), 'of the machine')
  await assert.rejects(fetch('client', `http://10.245.0.2:${machine.port}/`), /refused/)
  await assert.rejects(fetch('client', `http://127.0.0.1:${machine.port}/`), /refused/)
  const version =
    'wget -q --no-check-certificate -O - https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/version'
  await create(pod('api', { name: 'app', image: 'debian:12', command: ['sleep', '86399'] }))
  await ready('api')
  assert.match(
    await run('exec', 'api', '--', 'sh', '-c', `${version} || curl -sk https://kubernetes.default/version`),
    /"major"/,
  )
})

test('a pod with hostNetwork has the network of the node, which other pods reach at its address', {
  skip,
}, async (t) => {
  const { create, ready, addressOf, fetch } = await start(t)
  await create(pod('node', server('node'), { spec: { hostNetwork: true } }), pod('client', server('client')))
  await Promise.all([ready('node'), ready('client')])
  const [node, client] = [await addressOf('node'), await addressOf('client')]
  assert.equal(node, '10.245.0.1')
  assert.equal(await fetch('client', `http://${node}:${served}/name`), 'node')
  assert.equal(await fetch('node', `http://${client}:${served}/name`), 'client')
})

test('the gateway has a fixed hardware address, which pods remember', { skip }, async (t) => {
  const { create, ready, run } = await start(t)
  await create(pod('client', { ...sleeper, image: 'debian:12' }))
  await ready('client')
  const gateway = async () => {
    await run('exec', 'client', '--', 'sh', '-c', 'timeout 1 bash -c "</dev/tcp/10.96.0.1/443" || true')
    return /^10\.244\.0\.1\s.*?(([0-9a-f]{2}:){5}[0-9a-f]{2})/m.exec(
      await run('exec', 'client', '--', 'cat', '/proc/net/arp'),
    )?.[1]
  }
  assert.equal(await gateway(), '0a:58:0a:f4:00:01')
})

test('containers of a pod share its network, and a container that is started again is in it too', {
  skip,
}, async (t) => {
  const { create, ready, run } = await start(t)
  const side = { ...sleeper, name: 'side' }
  await create(pod('both', server('both'), { spec: { containers: [server('both'), side] } }))
  await ready('both')
  const ask = ['exec', 'both', '-c', 'side', '--', 'wget', '-q', '-O', '-', `http://localhost:${served}/name`]
  assert.equal(await run(...ask), 'both')
  await run('exec', 'both', '-c', 'app', '--', 'sh', '-c', 'kill $(pidof httpd)').catch(() => undefined)
  await eventually(async () => assert.equal(await run(...ask), 'both'))
})

test('two clusters have the same addresses and do not meet', { skip }, async (t) => {
  const [one, two] = await Promise.all([start(t), start(t)])
  await one.create(pod('server', server('one')))
  await two.create(pod('client', sleeper))
  await Promise.all([one.ready('server'), two.ready('client')])
  const address = await one.addressOf('server')
  if (address === (await two.addressOf('client'))) await two.create(pod('other', sleeper))
  await assert.rejects(two.fetch('client', `http://${address}:${served}/name`))
})

test('the router is started again when it ends, and pods keep their addresses', { skip }, async (t) => {
  const { create, ready, addressOf, fetch } = await start(t)
  await create(pod('first', server('first')), pod('second', server('second')))
  await Promise.all([ready('first'), ready('second')])
  const address = await addressOf('first')
  process.kill(ownRouter(), 'SIGKILL')
  await eventually(async () =>
    assert.match(await fetch('second', 'https://10.96.0.1/version').catch(String), /certificate|TLS|major/i),
  )
  assert.equal(await fetch('second', `http://${address}:${served}/name`), 'first')
})

test('nothing is left when the cluster stops', { skip }, async (t) => {
  const before = networkNamespaces()
  const links = linksOfMachine()
  const { cluster, create, ready } = await start(t)
  await create(pod('first', server('first')), pod('second', server('second')))
  await Promise.all([ready('first'), ready('second')])
  const during = networkNamespaces()
  assert.ok([...during].filter((one) => !before.has(one)).length >= 4, 'node, router, and two pods')
  assert.deepEqual(linksOfMachine(), links, 'no link is added to the machine')
  await cluster.stop()
  await eventually(() =>
    assert.deepEqual(
      [...networkNamespaces()].filter((one) => !before.has(one)),
      [],
    ),
  )
  assert.deepEqual(linksOfMachine(), links)
})

/** The router of this process's one cluster: other test files run others. */
function ownRouter(): number {
  const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').map(Number)
  const routers = children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('pod-network-router'))
  assert.equal(routers.length, 1)
  return routers[0] ?? 0
}

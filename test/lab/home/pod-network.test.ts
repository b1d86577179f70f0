import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import { createKubeClient, execInPod, loadKubeconfig, type Pod, resources } from '#kubernetes/client'
import { findProgram } from '../../../src/lab/cluster/kubelet/host-programs.ts'
import { eventually } from '../../support/eventually.ts'
import { mayHavePodNetwork, noPodNetwork } from '../../support/may-have-pod-network.ts'
import { linksOfMachine, networkNamespaces } from '../../support/network-namespaces.ts'
import { cliCommand, cliEnvironment } from '../../support/run-cli.ts'
import { temporaryHome, type UpSummary } from './lab-in-temporary-home.ts'

const skip = !mayHavePodNetwork() && noPodNetwork

/** The cluster of a lab, with a pod that runs this machine's programs. */
async function clusterOf(t: TestContext, { kubeconfig }: UpSummary) {
  const config = loadKubeconfig(kubeconfig)
  const kube = createKubeClient(config)
  t.after(() => kube.close())
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'default', name: 'shell' },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'shell', image: 'busybox:1', command: ['sleep', '86399'] }],
    },
  }
  await kube.create(resources.pods, pod)
  const found = await eventually(async () => {
    const { status } = await kube.get(resources.pods, { namespace: 'default', name: 'shell' })
    assert.equal(status?.phase, 'Running')
    return status
  })
  const run = async (...command: string[]) => {
    const target = { namespace: 'default', pod: 'shell', container: undefined, command }
    const { stdout, stderr } = await execInPod(config, target)
    return stdout + stderr
  }
  return { status: found, run }
}

test('up --pod-network gives pods addresses and the local IMDS at its real address; the setting stays', {
  skip,
}, async (t) => {
  const home = await temporaryHome(t)
  const { status, run } = await clusterOf(t, await home.up('--pod-network'))
  assert.match(status.podIP ?? '', /^10\.244\./)
  const answer = await run('sh', '-c', 'timeout 5 wget -q -O - http://169.254.169.254/metadata/instance 2>&1 || true')
  assert.match(answer, /HTTP\/1\.[01] (400|501)/, 'the answer is that of the local IMDS')

  const { processes } = await home.status()
  assert.equal(processes.find(({ name }) => name === 'local-cluster')?.network, 'pods have networks of their own')
  assert.match((await home.keymount('status')).stdout, /pods have networks of their own/)
  const other = await home.keymount('up', '--no-pod-network')
  assert.equal(other.code, 1)
  assert.match(other.stderr, /--pod-network/)

  await home.keymount('down')
  await home.up()
  assert.match((await home.keymount('status')).stdout, /pods have networks of their own/)
})

test('without the option pods share the network of the machine, and status reports it', { skip }, async (t) => {
  const home = await temporaryHome(t)
  const { status } = await clusterOf(t, await home.up())
  assert.equal(status.podIP, '127.0.0.1')
  assert.match((await home.keymount('status')).stdout, /pods share the machine's network\n/)
})

test('kill -9 of the cluster leaves no namespace, link or process, and up brings the networks back', {
  skip,
}, async (t) => {
  const home = await temporaryHome(t)
  const before = networkNamespaces()
  const links = linksOfMachine()
  await clusterOf(t, await home.up('--pod-network'))
  assert.ok([...networkNamespaces()].some((one) => !before.has(one)))
  assert.deepEqual(linksOfMachine(), links)
  const { processes } = await home.status()
  process.kill(processes.find(({ name }) => name === 'local-cluster')?.pid ?? 0, 'SIGKILL')
  const nothingIsLeft = () =>
    assert.deepEqual(
      [...networkNamespaces()].filter((one) => !before.has(one)),
      [],
    )
  await eventually(nothingIsLeft)
  await home.up()
  assert.ok([...networkNamespaces()].some((one) => !before.has(one)))
  await home.keymount('down')
  await eventually(nothingIsLeft)
  assert.deepEqual(linksOfMachine(), links)
})

test('where a machine does not allow pod networks, the lab works without them and reports why', { skip }, async (t) => {
  const home = await temporaryHome(t)
  const ip = findProgram('ip')
  assert.ok(ip !== undefined)
  // A mount namespace in which the program cannot be run.
  const inside = [
    'unshare',
    '-m',
    '--propagation',
    'private',
    'sh',
    '-c',
    `mount --bind /dev/null ${ip} && exec "$@"`,
    'sh',
  ]
  const [program = '', ...words] = [...inside, ...cliCommand, 'up', '--ports', 'free', '--pod-network']
  const env = { ...cliEnvironment(), KEYMOUNT_HOME: home.path }
  const child = spawn(program, words, { env, stdio: ['ignore', 'ignore', 'inherit'] })
  const [code] = await once(child, 'exit')
  assert.equal(code, 0)
  const { stdout } = await home.keymount('status')
  assert.match(stdout, /pods share the machine's network, because they cannot have their own here: .*Permission denied/)
  assert.match(stdout, /: up\n/)
})

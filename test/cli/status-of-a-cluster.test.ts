import assert from 'node:assert/strict'
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { resources } from '#kubernetes/client'
import { kubeClientOf } from '../support/kube-client-of.ts'
import { startLocalCluster } from '../support/local-cluster.ts'
import { runCli } from '../support/run-cli.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

test('status describes the cluster of KUBECONFIG and --kubeconfig, and not a lab that is down', async (t) => {
  const cluster = await startLocalCluster(t)
  const home = join(temporaryDirectory(t), 'h')
  const env = { KEYMOUNT_HOME: home, KUBECONFIG: cluster.kubeconfig }

  await t.test('without Keymount: the command that installs it, and exit status 1', async () => {
    const { code, stdout } = await runCli(['status'], env)
    assert.equal(code, 1, stdout)
    assert.match(stdout, /Keymount is not installed in https:\/\/127\.0\.0\.1:\d+/)
    assert.match(stdout, /helm upgrade --install keymount/)
    assert.doesNotMatch(stdout, /Lab in|keymount up/)
    const named = await runCli(['status', '--kubeconfig', cluster.kubeconfig], { KEYMOUNT_HOME: home })
    assert.equal(named.stdout, stdout)
  })

  await t.test('with it, in any namespace: its pods', async () => {
    const kube = kubeClientOf(t, cluster.kubeconfig)
    await kube.create(resources.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'secrets' } })
    await kube.create(resources.pods, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: 'secrets', name: 'driver-1', labels: { app: 'secrets-store-csi-driver' } },
      spec: { nodeName: 'elsewhere', serviceAccountName: 'default', containers: [{ name: 'd', image: 'i' }] },
    })
    const { code, stdout } = await runCli(['status'], env)
    assert.equal(code, 1, stdout)
    assert.match(stdout, /✗ driver-1 on elsewhere: Pending, 0 restarts/)
    const json = JSON.parse((await runCli(['status', '-o', 'json'], env)).stdout)
    assert.deepEqual(parse((await runCli(['status', '-o', 'yaml'], env)).stdout), json)
    assert.deepEqual([json.state, json.kubeconfig, json.cluster.pods.length], ['down', cluster.kubeconfig, 1])
  })

  await t.test('a Deployment of Keymount without a ready pod, in status, doctor and events status', async () => {
    const kube = kubeClientOf(t, cluster.kubeconfig)
    const labels = { app: 'keymount-operator', 'app.kubernetes.io/name': 'keymount' }
    await kube.create(resources.deployments, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { namespace: 'secrets', name: 'keymount-operator', labels },
      spec: {
        replicas: 0,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'o', image: 'i' }] } },
      },
    })
    const { code, stdout } = await runCli(['status'], env)
    assert.equal(code, 1, stdout)
    assert.match(stdout, /✗ deployment keymount-operator: scaled to 0\n +kubectl describe deployment keymount-operator/)
    const doctor = JSON.parse((await runCli(['doctor', '-o', 'json'], env)).stdout)
    const { state, found, fix } = doctor.steps.find(({ id }: { id: string }) => id === 'K2')
    assert.equal(state, 'fail')
    assert.match(found, /Deployment secrets\/keymount-operator: scaled to 0/)
    assert.ok(fix.includes('kubectl scale deployment/keymount-operator --replicas 1 --namespace secrets'), fix.join())
    const events = await runCli(['events', 'status'], env)
    assert.equal(events.code, 1)
    assert.match(events.stdout, /no operator runs: Deployment secrets\/keymount-operator: scaled to 0/)
  })

  await t.test('a kubeconfig that a lab left behind is that of the lab, which is down', async () => {
    const left = join(temporaryDirectory(t), 'kubeconfig')
    copyFileSync(cluster.kubeconfig, left)
    const { code, stdout } = await runCli(['status'], { KEYMOUNT_HOME: join(left, '..'), KUBECONFIG: left })
    assert.equal(code, 3, stdout)
    assert.match(stdout, /^Lab in .*: down$/m)
    const byHome = await runCli(['status', '--home', home], env)
    assert.equal(byHome.code, 3, byHome.stdout)
  })

  await t.test('a cluster that does not answer is an error with its address', async () => {
    await cluster.stop()
    const { code, stdout, stderr } = await runCli(['status'], env)
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /127\.0\.0\.1:\d+ is unreachable|unreachable/)
  })
  await t.test('doctor of such a cluster ends with 2 and one message, with the command that starts a lab', async () => {
    for (const words of [['doctor'], ['doctor', 'pod/web'], ['doctor', 'secretsync/web']]) {
      const { code, stdout, stderr } = await runCli(words, env)
      assert.deepEqual([code, stdout], [2, ''], words.join(' '))
      assert.equal(stderr.match(/is unreachable/g)?.length, 1, stderr)
      assert.doesNotMatch(stderr, /keymount up/)
    }
    const root = temporaryDirectory(t)
    copyFileSync(cluster.kubeconfig, join(root, 'kubeconfig'))
    const ofLab = await runCli(['doctor'], { KEYMOUNT_HOME: root, KUBECONFIG: join(root, 'kubeconfig') })
    assert.equal(ofLab.code, 2)
    assert.match(ofLab.stderr, /start the lab: keymount up/)
    // A home in which no lab could be: the user has other clusters.
    const long = await runCli(['doctor'], { ...env, KEYMOUNT_HOME: `/tmp/${'long'.repeat(20)}` })
    assert.equal(long.code, 2)
    assert.match(long.stderr, /is unreachable/)
  })
})

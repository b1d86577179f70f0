import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { parse } from 'yaml'
import { resources } from '#kubernetes/client'
import { until } from '../support/eventually.ts'
import { cliCommand, cliEnvironment } from '../support/run-cli.ts'
import { tokenKubeconfig } from '../support/token-kubeconfig.ts'
import { type IdentityLab, startIdentityLab } from './identity-lab.ts'
import { classOf, createMountingPod, name, podOf, podReady } from './mounted-pod.ts'

test('status VIEW lists what a cluster has as table, JSON and YAML, and follows it', async (t) => {
  const lab = await startIdentityLab(t)
  const { vault, parameters } = await createMountingPod(lab, 'status-views')
  await podReady(lab)
  const env = { ...lab.env, KUBECONFIG: lab.env.KUBECONFIG ?? '' }

  await t.test('a table has the volume of each pod, and nothing is a problem', async () => {
    const { code, stdout } = await lab.keymount('status', 'volumes')
    assert.equal(code, 0, stdout)
    assert.match(stdout, /^STATE +NAMESPACE +POD +CLASS +OBJECTS +VERSION +AGE +CHECKED +NEXT +CODE\n/)
    assert.match(stdout, /\nfresh +default +orders +orders +1 +[0-9a-f]{8} /)
    const classes = await lab.keymount('status', 'classes', '-o', 'json')
    assert.equal(JSON.parse(classes.stdout).classes[0].interval, '2m')
    const problems = await lab.keymount('status', 'problems')
    assert.deepEqual([problems.code, problems.stdout], [0, 'Nothing is wrong.\n'])
  })

  await t.test('JSON and YAML have the same rows', async () => {
    const json = JSON.parse((await lab.keymount('status', 'objects', '-o', 'json')).stdout)
    const yaml = parse((await lab.keymount('status', 'objects', '-o', 'yaml')).stdout)
    assert.deepEqual(json, yaml)
    const [row] = json.objects
    assert.deepEqual([row.vault, row.object, row.pods, row.state], [vault, 'secret/password', 1, 'same'])
    assert.match(row.newest, /^[0-9a-f]{32}$/)
  })

  await t.test('filter and sort; a column that is not there is an error with those that are', async () => {
    const none = await lab.keymount('status', 'volumes', '--filter', 'ns:shop')
    assert.equal(none.stdout, 'None of 1 volume matches the filter.\n')
    const wrong = await lab.keymount('status', 'volumes', '--filter', 'colour:red')
    assert.equal(wrong.code, 2)
    assert.match(wrong.stderr, /Volumes have no column "colour"[\s\S]*state, namespace, pod/)
    assert.equal((await lab.keymount('status', 'volumes', '--sort=-colour')).code, 2)
  })

  await t.test('a pod that waits: status and status problems end with 1, with the reason and the command', async () => {
    await lab.kube.create(
      resources.secretProviderClasses,
      classOf({ ...parameters, keyvaultName: 'no-such-vault' }, 'wrong'),
    )
    for (const each of ['waits', 'waits-too']) await lab.kube.create(resources.pods, podOf(each, 'wrong'))
    await until('kubelet has reported the failure', async () => {
      const { stdout } = await lab.keymount('status', 'volumes', '--filter', 'state:waiting', '-o', 'json')
      const { volumes } = JSON.parse(stdout)
      return volumes.length === 2 && volumes.every(({ code }: { code: string | null }) => code !== null)
    })
    const status = await lab.keymount('status')
    assert.equal(status.code, 1)
    assert.match(status.stdout, /^Pods that wait for a volume: 2$/m)
    assert.match(
      status.stdout,
      /^ {2}✗ default\/waits, default\/waits-too: class wrong, since \S+Z \(.* ago\): [a-z-]+$/m,
    )
    assert.match(status.stdout, /^ {6}keymount doctor pod\/waits -n default$/m)
    const json = JSON.parse((await lab.keymount('status', '--json')).stdout)
    assert.equal(json.cluster.waiting[0].pod, 'waits')
    const problems = await lab.keymount('status', 'problems', '-o', 'json')
    assert.equal(problems.code, 1)
    const [problem] = JSON.parse(problems.stdout).problems
    assert.deepEqual(problem.affected.toSorted(), ['pod/waits', 'pod/waits-too'])
    assert.match(problem.fix[0], /^keymount doctor pod\/waits -n default$/)
    for (const each of ['waits', 'waits-too'])
      await lab.kube.delete(resources.pods, { namespace: 'default', name: each })
  })

  await t.test('-w prints again what a rotation has changed, and ends when it is stopped', async () => {
    const watching = watch(lab, env)
    await until('the first rows', () => watching.lines().length > 0)
    const before = JSON.parse(watching.lines()[0] ?? '').volumes[0].version
    await lab.azure.setSecret(vault, 'password', 'another')
    assert.equal((await lab.keymount('rotate', name, '-n', 'default')).code, 0)
    await until('the new version', () => {
      const last = watching.lines().at(-1) ?? '{}'
      return JSON.parse(last).volumes?.some(
        (row: { pod: string; version: string }) => row.pod === name && row.version !== before,
      )
    })
    assert.equal(await watching.stop(), 130)
  })

  await t.test('without the right to list, a view names what is missing and fails', async () => {
    const { code, stdout, stderr } = await lab.keymount('status', 'volumes', '--kubeconfig', await powerless(t, lab))
    assert.equal(code, 1, stdout)
    assert.match(stderr, /status objects of volumes could not be read: forbidden: you have no right to list/)
  })
})

function watch(_: IdentityLab, env: Record<string, string>) {
  const [program, ...words] = cliCommand
  const child = spawn(program, [...words, 'status', 'volumes', '-w', '-o', 'json'], {
    env: { ...cliEnvironment(), ...env },
  })
  let text = ''
  child.stdout.on('data', (chunk) => {
    text += String(chunk)
  })
  return {
    lines: () => text.split('\n').slice(0, -1),
    stop: () =>
      new Promise<number | null>((resolve) => {
        child.once('exit', resolve)
        child.kill('SIGINT')
      }),
  }
}

/** A kubeconfig of a service account that has no rights. */
async function powerless(t: TestContext, { kube, env }: IdentityLab): Promise<string> {
  const account = { namespace: 'default', name: 'powerless' }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account })
  return tokenKubeconfig(t, kube, env.KUBECONFIG ?? '', account)
}

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { type KubeObject, resources } from '#kubernetes/client'
import { findLocalAzure, labHome } from '#lab/home'
import { callSocket } from '#lib/http'
import { until } from '../support/eventually.ts'
import { cliCommand, cliEnvironment } from '../support/run-cli.ts'
import {
  admit,
  classOf,
  create,
  deploymentOf,
  examine,
  mountFails,
  name,
  type Patient,
  podOf,
  runs,
} from './doctor-lab.ts'
import { bySecret, type IdentityLab, kubeconfigOfAccount, startIdentityLab, unwrapped } from './identity-lab.ts'

const stepIds = 'K1 K2 K3 K4 I1 I2 I3 I4 I5 I6 I7 I8 I9 V1 V2 D1 S1 R1 E1'.split(' ')

/** A kubeconfig of a service account with these rights, and no others. */
async function kubeconfigOf(
  t: TestContext,
  { kube, env }: IdentityLab,
  user: string,
  roles: readonly KubeObject[],
): Promise<string> {
  const account = { namespace: 'default', name: user }
  await kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: account })
  for (const role of roles) {
    const isClusterWide = role.kind === 'ClusterRole'
    const metadata = { ...role.metadata, name: user }
    const binding = {
      apiVersion: role.apiVersion,
      kind: `${role.kind}Binding`,
      metadata,
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: role.kind, name: user },
      subjects: [{ kind: 'ServiceAccount', ...account }],
    }
    await kube.create(isClusterWide ? resources.clusterRoles : resources.roles, { ...role, metadata })
    await kube.create(isClusterWide ? resources.clusterRoleBindings : resources.roleBindings, binding)
  }
  return kubeconfigOfAccount(t, { kube, env }, account)
}

async function probes({ lab: { kube }, namespace }: Patient<IdentityLab>) {
  return (await kube.list(resources.pods, { namespace, labelSelector: 'keymount.dev/doctor-probe' })).items
}

test('doctor: a pod with nothing wrong, and the same from other sides', async (t) => {
  // No check of the driver's meets the faults of the vault below.
  const lab = await startIdentityLab(t, '--rotation-poll-interval', '1h')
  const patient = await admit(lab, 'healthy')
  await create(patient, classOf(patient), deploymentOf(patient))
  await runs(patient)
  const [pod] = (await lab.kube.list(resources.pods, { namespace: patient.namespace })).items
  const podName = pod?.metadata.name ?? ''

  await t.test('without access to Azure, every step is right, as far as the driver has proven it', async () => {
    const { code, steps } = await examine(patient, `pod/${podName}`)
    assert.deepEqual(
      steps.map(({ id }) => id),
      stepIds,
    )
    assert.deepEqual(
      steps.filter(({ state }) => state !== 'ok'),
      [],
    )
    assert.equal(code, 0)
    assert.match(steps.find(({ id }) => id === 'D1')?.found ?? '', /1 object, checked up to 5m ago/)
  })

  await t.test('with Azure, identity, rights and each object are asked for, and no value is read', async () => {
    const control = lab.env.KEYMOUNT_HOME ?? ''
    assert.notEqual(control, '')
    const { code, steps } = await examine(patient, `pod/${podName}`, '--azure', ...bySecret)
    assert.deepEqual(
      steps.filter(({ state }) => state !== 'ok'),
      [],
    )
    assert.equal(code, 0)
    assert.match(steps.find(({ id }) => id === 'V2')?.found ?? '', /1 of 1 looked up/)
  })

  await t.test('a vault or Resource Manager that does not answer is a step that could not be checked', async () => {
    const { control } = findLocalAzure(labHome(lab.env.KEYMOUNT_HOME ?? '')) ?? {}
    assert.ok(control !== undefined)
    const [vault, arm] = [`${patient.vault}.vault.azure.net`, 'management.azure.com']
    const faults = [
      { host: vault, step: 'V2', fault: { kind: 'unreachable' } },
      { host: vault, step: 'V2', fault: { kind: 'throttle', retryAfterSeconds: 30 } },
      { host: vault, step: 'V2', fault: { kind: 'error', status: 503 } },
      { host: arm, step: 'I5', fault: { kind: 'error', status: 503 } },
    ]
    for (const { host, step, fault } of faults) {
      await callSocket(control, { method: 'PUT', path: `/faults/${host}`, body: fault })
      const { code, steps } = await examine(patient, `pod/${podName}`, '--azure', ...bySecret)
      await callSocket(control, { method: 'DELETE', path: `/faults/${host}` })
      const what = `${host} ${JSON.stringify(fault)}: ${JSON.stringify(steps)}`
      assert.equal(code, 0, what)
      const unknown = steps.filter(({ state }) => state === 'unknown')
      assert.ok(
        unknown.some(({ id, found = '' }) => id === step && /could not be checked: /.test(found)),
        what,
      )
      assert.doesNotMatch(what, /--azure/)
    }
  })

  await t.test('a probe mounts the same volumes, lists names and rounded sizes, and is deleted', async () => {
    const { code, steps } = await examine(patient, `pod/${podName}`, '--probe')
    assert.equal(code, 0)
    assert.match(
      steps.find(({ id }) => id === 'D1')?.found ?? '',
      /a probe on \S+ has mounted the volumes: password \(up to 64 bytes\)/,
    )
    assert.deepEqual(await probes(patient), [])
    const { items } = await lab.kube.list(resources.pods, { namespace: patient.namespace })
    assert.deepEqual(
      items.map(({ metadata }) => metadata.name),
      [podName],
      'the Deployment has kept its pod',
    )
  })

  await t.test('of a Deployment, the pod that is worst', async () => {
    const { code, stdout } = await lab.keymount('doctor', `deployment/${name}`, '-n', patient.namespace)
    assert.equal(code, 0, stdout)
    assert.match(stdout, new RegExp(`^Pod healthy/${podName} on keymount-local, service account app \\(https://`))
    assert.match(unwrapped(stdout), /E1 events .*Nothing is wrong\./)
    assert.deepEqual(
      stdout.split('\n').filter((line) => line.length > 80 && !line.startsWith('Pod ')),
      [],
    )
  })

  await t.test('a class, a node, and the whole cluster', async () => {
    for (const target of [`class/${name}`, 'node/keymount-local']) {
      const { code, stdout } = await lab.keymount('doctor', target, '-n', patient.namespace)
      assert.equal(code, 0, stdout)
    }
    const { code, stdout } = await lab.keymount('doctor', 'cluster', '-o', 'json')
    assert.equal(code, 0, stdout)
    const { steps, target } = JSON.parse(stdout)
    assert.equal(target, 'cluster')
    assert.deepEqual(
      steps.map(({ id }: { id: string }) => id),
      ['K1', 'K2', 'K3', 'K4', 'I2', 'D1'],
    )
  })

  await t.test('a target that does not exist ends with status 2', async () => {
    for (const target of ['pod/none', 'deployment/none', 'class/none', 'node/none', 'secretsync/none']) {
      const { code, stderr } = await lab.keymount('doctor', target, '-n', patient.namespace)
      assert.equal(code, 2, `${target}: ${stderr}`)
    }
    const nothing = await lab.keymount('doctor', 'pods/a/b')
    assert.equal(nothing.code, 2)
    assert.match(nothing.stderr, /"pods\/a\/b" is not a target/)
  })

  await t.test('an operator that receives no events is worth knowing', async () => {
    const pods = { namespace: 'kube-system', name: 'keymount-operator-1' }
    const labels = { 'app.kubernetes.io/component': 'operator', 'app.kubernetes.io/name': 'keymount' }
    const operator = podOf(patient)
    await lab.kube.create(resources.pods, {
      ...operator,
      metadata: { ...pods, labels },
      spec: {
        containers: operator.spec.containers.map(({ volumeMounts: _, ...rest }) => rest),
        nodeSelector: { none: 'none' },
      },
    })
    const event = (reason: string, lastTimestamp: string) =>
      lab.kube.create(resources.events, {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: { namespace: pods.namespace, name: `${pods.name}.${reason.toLowerCase()}` },
        involvedObject: { apiVersion: 'v1', kind: 'Pod', ...pods },
        type: 'Warning',
        reason,
        message: `${reason} of the queue`,
        lastTimestamp,
      })
    await event('EventsUnavailable', new Date(Date.now() - 60_000).toISOString())
    const down = await examine(patient, `pod/${podName}`)
    assert.deepEqual([down.code, down.wrong?.id, down.wrong?.code], [0, 'E1', 'events-unavailable'])
    assert.match(down.wrong?.found ?? '', /EventsUnavailable of the queue/)
    await event('EventsReceived', new Date().toISOString())
    assert.equal((await examine(patient, `pod/${podName}`)).wrong, undefined)
  })

  await t.test('the rights that --rbac prints are enough; without them the missing verb is named', async () => {
    const printed = await lab.keymount('doctor', '--rbac', '-n', patient.namespace)
    const { items } = JSON.parse(printed.stdout) as { items: KubeObject[] }
    const enough = await kubeconfigOf(t, lab, 'doctor', items)
    const all = await examine(patient, `pod/${podName}`, '--kubeconfig', enough)
    assert.deepEqual(
      all.steps.filter(({ state }) => state !== 'ok'),
      [],
    )
    const few = await kubeconfigOf(t, lab, 'visitor', [
      {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'Role',
        metadata: { namespace: patient.namespace },
        rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }],
      } as KubeObject,
    ])
    const { code, steps } = await examine(patient, `pod/${podName}`, '--kubeconfig', few)
    assert.equal(code, 0)
    const unknown = steps.filter(({ state }) => state === 'unknown')
    assert.deepEqual(unknown.map(({ id }) => id).slice(0, 3), ['K1', 'K2', 'K4'])
    assert.match(unknown[0]?.found ?? '', /you have no right to get csidrivers\.storage\.k8s\.io in the whole cluster/)
  })
})

test('doctor: a pod that waits, in the summary of the cluster and with a probe that is interrupted', async (t) => {
  const lab = await startIdentityLab(t, '--sync')
  const patient = await admit(lab, 'waiting')
  patient.parameters.objects = patient.parameters.objects?.replace('password', 'lost') ?? ''
  await create(patient, classOf(patient), podOf(patient))
  await mountFails(patient)

  await t.test('the summary names the pod, with the command for it', async () => {
    const { code, stdout } = await lab.keymount('doctor', '-o', 'json')
    assert.equal(code, 1)
    const { steps } = JSON.parse(stdout) as { steps: { id: string; code?: string; fix?: string[] }[] }
    const waiting = steps.find(({ id }) => id === 'K3')
    assert.equal(waiting?.code, 'vault-object-missing')
    assert.deepEqual(waiting?.fix, ['keymount doctor pod/app -n waiting'])
  })

  await t.test(
    'of a SecretSync, the sync controller runs, and the condition is the one that the controller wrote',
    async () => {
      const sync = {
        apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
        kind: 'SecretSync',
        metadata: { namespace: patient.namespace, name: 'synced' },
        spec: {
          secretProviderClassName: name,
          serviceAccountName: name,
          secretObject: { type: 'Opaque', data: [{ sourcePath: 'lost', targetKey: 'lost' }] },
        },
      }
      await lab.kube.create(resources.secretSyncs, sync)
      await until('the condition of the SecretSync', async () => {
        const { steps } = await examine(patient, 'secretsync/synced')
        return steps.some(({ code }) => code === 'vault-object-missing')
      })
      const { steps } = await examine(patient, 'secretsync/synced')
      assert.deepEqual(
        steps.map(({ id, state }) => `${id} ${state}`),
        ['K2 ok', 'K4 ok', 'I1 ok', 'V2 fail'],
      )
    },
  )

  await t.test('the summary of a namespace is about it alone', async () => {
    const own = await lab.keymount('doctor', '-n', 'waiting')
    assert.equal(own.code, 1, own.stdout)
    assert.match(own.stdout, /^Namespace waiting /)
    assert.match(unwrapped(own.stdout), /keymount doctor pod\/NAME -n waiting\./)
    const other = await lab.keymount('doctor', '-n', 'default')
    assert.equal(other.code, 0, other.stdout)
    const none = await lab.keymount('doctor', '-n', 'nowhere')
    assert.equal(none.code, 2, none.stdout)
  })

  await t.test('a probe reports what the node meets, and is deleted', async () => {
    const { code, wrong } = await examine(patient, `pod/${name}`, '--probe')
    assert.equal(code, 1)
    assert.equal(wrong?.code, 'vault-object-missing')
    assert.deepEqual(await probes(patient), [])
  })

  await t.test('Ctrl-C deletes the probe too', async () => {
    const [program, ...words] = cliCommand
    const args = [...words, 'doctor', `pod/${name}`, '-n', patient.namespace, '--probe']
    const child = spawn(program, args, { env: { ...cliEnvironment(), ...lab.env }, stdio: 'ignore' })
    const ended = new Promise<number | null>((done) => child.once('exit', done))
    await until('the probe is there', async () => (await probes(patient)).length === 1, { everyMs: 5 })
    child.kill('SIGINT')
    assert.equal(await ended, 130)
    assert.deepEqual(await probes(patient), [])
  })
})

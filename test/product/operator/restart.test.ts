import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources, statusAnnotations, type UntypedObject } from '#kubernetes/client'
import { sleep, timestamp } from '#lib'
import { optIn, reportRunning, startRestartLab, templateOf, until } from './restart-lab.ts'

const namespace = 'default'

test('a Deployment whose secret has changed is rolled out once, whatever becomes of the operator', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web', { replicas: 3 })
  await lab.deploy('quiet', { annotations: {} })
  const first = lab.operate()
  await sleep(1500)
  assert.equal(await lab.restartedFor('web'), undefined, 'nothing has changed yet')

  lab.setVersion('v2')
  await until('the rollout', async () => (await lab.replicaSetsOf('web')).length === 2)
  const key = await lab.restartedFor('web')
  assert.match(key ?? '', /^[0-9a-f]{16}$/)
  await lab.hasVersion('web', 'v2', 3)
  const event = await lab.event('Restarted', 'web')
  assert.match(event.message ?? '', /pods? .*started with older versions of secrets/)
  assert.match(lab.metrics.text(), /restart_total\{kind="Deployment",result="restarted"\} 1/)

  await first.stop()
  lab.operate()
  await sleep(3000)
  assert.equal((await lab.replicaSetsOf('web')).length, 2)
  assert.equal(await lab.restartedFor('web'), key)
  assert.equal((await lab.replicaSetsOf('quiet')).length, 1, 'it did not ask')
  assert.equal((await lab.events('Restarted')).length, 1)
  const { metadata } = await lab.workload('web')
  const managers = (metadata.managedFields ?? []) as { manager?: string; operation?: string }[]
  assert.ok(managers.some(({ manager, operation }) => manager === 'keymount-restart' && operation === 'Apply'))
})

test('a restart waits until all pods have the new versions, and a value that comes back restarts nothing', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web', { replicas: 2 })
  lab.operate()
  const [one, two] = (await lab.pods('web')).map(({ metadata }) => metadata.name ?? '')
  assert.ok(one !== undefined && two !== undefined)

  lab.setVersion('v2', one)
  await lab.event('RestartPending', 'web')
  await sleep(1500)
  assert.equal(await lab.restartedFor('web'), undefined)
  lab.setVersion('v1', one)
  await lab.hasVersion('web', 'v1', 2)
  await sleep(1000)
  assert.equal(await lab.restartedFor('web'), undefined, 'A → B → A')

  lab.setVersion('v3', two)
  await lab.hasVersion('web', 'v3', 1)
  lab.setVersion('v3')
  await until('the rollout', async () => (await lab.replicaSetsOf('web')).length === 2)
  await lab.hasVersion('web', 'v3', 2)
  assert.equal((await lab.events('RestartWithoutAgreement')).length, 0)
})

test('pods that never agree are restarted after a time, and that is reported', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web', { replicas: 2 })
  lab.operate({ agreeTimeoutMs: 3000 })
  const [one] = (await lab.pods('web')).map(({ metadata }) => metadata.name ?? '')
  lab.setVersion('v2', one)
  await lab.event('RestartWithoutAgreement', 'web')
  assert.equal((await lab.replicaSetsOf('web')).length, 2)
})

test('a pod whose container started after the change is left alone', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web')
  const [pod] = await lab.pods('web')
  await reportRunning(lab.kube, pod?.metadata.name ?? '', Date.now() + 3_600_000)
  lab.operate()
  lab.setVersion('v2')
  await lab.hasVersion('web', 'v2', 1)
  await sleep(1500)
  assert.equal(await lab.restartedFor('web'), undefined)
})

test('a class with Secrets restarts its workload only when the Secret has the new value', async (t) => {
  const lab = await startRestartLab(t)
  const secretObjects = [{ secretName: 'env', data: [{ objectName: 'foo', key: 'k' }] }]
  await lab.createClass('app', {
    provider: lab.driver.provider.name,
    parameters: { objects: 'array:\n- objectName: foo' },
    secretObjects,
  })
  // Another owner's Secret: the driver cannot write.
  await lab.kube.create(resources.secrets, { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name: 'env' } })
  await lab.deploy('web')
  lab.operate()
  lab.setVersion('v2')
  const pending = await lab.event('RestartPending', 'web')
  assert.match(pending.message ?? '', /until the Secrets of the class/)
  assert.equal(await lab.restartedFor('web'), undefined)
  await lab.kube.delete(resources.secrets, { namespace, name: 'env' })
  await until('the restart', () => lab.restartedFor('web'))
  const secret = await lab.kube.get(resources.secrets, { namespace, name: 'env' })
  assert.equal(Buffer.from(secret.data?.k ?? '', 'base64').toString(), 'value of v2')
})

test('dry run, a pause, a window, an interval and a mistake each keep a workload from being restarted, with an event', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  const hour = new Date().getUTCHours()
  const closed = `${String((hour + 2) % 24).padStart(2, '0')}:00-${String((hour + 3) % 24).padStart(2, '0')}:00`
  await lab.deploy('paused', { paused: true })
  await lab.deploy('window', { annotations: { ...optIn, 'keymount.dev/restart-window': closed } })
  await lab.deploy('mistake', { annotations: { ...optIn, 'keymount.dev/restart-window': 'at night' } })
  await lab.deploy('template', { annotations: {}, templateAnnotations: optIn })
  await lab.deploy('other', { annotations: { 'keymount.dev/restart-on-rotation': 'another-class' } })
  const dry = lab.operate({ dryRun: true })
  lab.setVersion('v2')
  const would = await lab.event('WouldRestart', 'template')
  assert.match(would.message ?? '', /would be restarted \(dry run\)/)
  assert.equal(await lab.restartedFor('template'), undefined)
  await dry.stop()
  lab.operate()
  await until('the restart', () => lab.restartedFor('template'))
  assert.match((await lab.event('RestartPending', 'paused')).message ?? '', /paused/)
  assert.match((await lab.event('RestartPending', 'window')).message ?? '', /waits for its window, until \d{4}-/)
  const { message = '' } = await lab.event('RestartMisconfigured', 'mistake')
  assert.match(message, /annotation keymount\.dev\/restart-window: found "at night", expected HH:MM-HH:MM/)
  for (const name of ['paused', 'window', 'mistake', 'other'])
    assert.equal(await lab.restartedFor(name), undefined, name)

  const patch = { spec: { paused: false } }
  await lab.kube.patch(resources.deployments, { namespace, name: 'paused' }, patch)
  await until('the restart after the pause', () => lab.restartedFor('paused'))
})

test('the minimum interval counts from the last restart, by the API server’s record', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web', { annotations: { ...optIn, 'keymount.dev/restart-min-interval': '6s' } })
  const first = lab.operate({ minIntervalMs: 3_600_000 })
  lab.setVersion('v2')
  const key = await until('the restart', () => lab.restartedFor('web'))
  const restartedAt = Date.now()
  await lab.hasVersion('web', 'v2', 1)
  await first.stop()
  lab.operate({ minIntervalMs: 3_600_000 })
  lab.setVersion('v3')
  assert.match((await lab.event('RestartPending', 'web')).message ?? '', /minimum interval, until/)
  await until('the second restart', async () => (await lab.restartedFor('web')) !== key)
  assert.ok(Date.now() - restartedAt >= 4000)
})

test('a pod that no controller replaces is reported', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  const { metadata, spec } = templateOf('bare', { templateAnnotations: optIn })
  await lab.kube.create(resources.pods, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { ...metadata, namespace, name: 'bare' },
    spec,
  })
  await lab.hasVersion('bare', 'v1', 1)
  lab.operate()
  lab.setVersion('v2')
  assert.match((await lab.event('RestartNeeded', 'bare')).message ?? '', /its next pod has the new ones/)
})

test('stakater’s annotations restart when that is asked for, and not otherwise', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.createClass('db')
  const auto = { 'secretproviderclass.reloader.stakater.com/auto': 'true' }
  await lab.deploy('auto', { annotations: auto })
  await lab.deploy('named', { annotations: { 'secretproviderclass.reloader.stakater.com/reload': 'app' } })
  await lab.deploy('excluded', {
    annotations: { ...auto, 'secretproviderclasses.exclude.reloader.stakater.com/reload': 'app' },
  })
  await lab.deploy('ignored', { annotations: { ...auto, 'reloader.stakater.com/ignore': 'true' } })
  const without = lab.operate()
  lab.setVersion('v2')
  await lab.hasVersion('auto', 'v2', 1)
  await sleep(1500)
  assert.equal(await lab.restartedFor('auto'), undefined)
  await without.stop()
  lab.operate({ reloaderAnnotations: true })
  await until('the restart', () => lab.restartedFor('auto'))
  await until('the restart of the named one', () => lab.restartedFor('named'))
  await sleep(1000)
  assert.equal(await lab.restartedFor('excluded'), undefined)
  assert.equal(await lab.restartedFor('ignored'), undefined)
})

test('pods of a driver that does not record their start are reported, and guessed about when that is asked for', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.deploy('web')
  const [status] = await lab.driver.statuses()
  await lab.driver.running.stop()
  const ref = { namespace, name: status?.metadata.name ?? '' }
  const annotations = Object.fromEntries(Object.values(statusAnnotations).map((name) => [name, null]))
  await lab.kube.patch(resources.secretProviderClassPodStatuses, ref, { metadata: { annotations } })
  await sleep(3000)
  await lab.kube.patch(resources.secretProviderClassPodStatuses, ref, {
    status: { objects: [{ id: 'secret/foo', version: 'v2' }] },
  })
  const strict = lab.operate()
  assert.match((await lab.event('RestartNotPossible', 'web')).message ?? '', /does not record what they started with/)
  assert.equal(await lab.restartedFor('web'), undefined)
  await strict.stop()
  lab.operate({ guess: true })
  await until('the restart', () => lab.restartedFor('web'))
  assert.match((await lab.event('Restarted', 'web')).message ?? '', /guessed/)
})

test('a SecretSync restarts the workloads that it names, and no pod that is newer than the Secret', async (t) => {
  const lab = await startRestartLab(t)
  await lab.kube.create(
    resources.customResourceDefinitions,
    openDefinition('secret-sync.x-k8s.io', 'SecretSync', 'secretsyncs'),
  )
  await lab.deploy('web', { classes: [], annotations: {} })
  const created = Date.parse((await lab.pods('web'))[0]?.metadata.creationTimestamp ?? '')
  await createSync('at-first', 'deployment/web', 'v1:1', created - 5000)
  await createSync('wrong', 'web, deployment/web', 'v1:1', created - 5000)
  lab.operate()
  assert.match(
    (await lab.event('RestartMisconfigured', 'wrong')).message ?? '',
    /found "web", expected deployment\/NAME/,
  )
  await sleep(1000)
  assert.equal(await lab.restartedFor('web'), undefined)
  await sleep(Math.max(created + 2000 - Date.now(), 0))
  await setStatus('at-first', 'v1:2', Date.now())
  await until('the restart', () => lab.restartedFor('web'))
  await until('the rollout', async () => (await lab.replicaSetsOf('web')).length === 2)
  await sleep(1500)
  assert.equal((await lab.replicaSetsOf('web')).length, 2)

  async function createSync(name: string, restart: string, hash: string, at: number): Promise<void> {
    await lab.kube.create(resources.secretSyncs, {
      apiVersion: 'secret-sync.x-k8s.io/v1alpha1',
      kind: 'SecretSync',
      metadata: { namespace, name, annotations: { 'keymount.dev/restart': restart } },
      spec: {
        secretProviderClassName: 'app',
        serviceAccountName: 'default',
        secretObject: { data: [{ sourcePath: 'db', targetKey: 'db' }] },
      },
    })
    await setStatus(name, hash, at)
  }
  async function setStatus(name: string, syncHash: string, at: number): Promise<void> {
    const status = { syncHash, lastSuccessfulSyncTime: timestamp(at) }
    await lab.kube.patch(resources.secretSyncs, { namespace, name }, { status })
  }
})

test('a Rollout of Argo gets a time to restart at instead of a new template', async (t) => {
  const lab = await startRestartLab(t)
  await lab.createClass('app')
  await lab.kube.create(resources.customResourceDefinitions, openDefinition('argoproj.io', 'Rollout', 'rollouts'))
  const rollout = await lab.kube.create(rollouts, {
    apiVersion: 'argoproj.io/v1alpha1',
    kind: 'Rollout',
    metadata: { namespace, name: 'canary', annotations: optIn },
    spec: { template: templateOf('canary') },
  })
  await lab.kube.patch(
    rollouts,
    { namespace, name: 'canary' },
    { status: { phase: 'Healthy', observedGeneration: '1' } },
  )
  const set = await lab.kube.create(resources.replicaSets, {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      namespace,
      name: 'canary-5d9c',
      ownerReferences: [ownerOf('argoproj.io/v1alpha1', rollout)],
    },
    spec: { replicas: 1, selector: { matchLabels: { app: 'canary' } }, template: templateOf('canary') },
  })
  void set
  await lab.hasVersion('canary', 'v1', 1)
  lab.operate()
  lab.setVersion('v2')
  const restartAt = await until('the restart', async () => {
    const { spec } = await lab.workload('canary', rollouts)
    return (spec as { restartAt?: string }).restartAt
  })
  await lab.event('Restarted', 'canary')
  await sleep(1500)
  const { spec } = await lab.workload('canary', rollouts)
  assert.equal((spec as { restartAt?: string }).restartAt, restartAt)
  assert.equal(await lab.restartedFor('canary', rollouts), undefined)
})

const rollouts = { group: 'argoproj.io', version: 'v1alpha1', plural: 'rollouts', kind: 'Rollout', namespaced: true }

function ownerOf(apiVersion: string, { kind, metadata }: UntypedObject) {
  return { apiVersion, kind, name: metadata.name ?? '', uid: metadata.uid ?? '', controller: true }
}

/** A kind that takes any fields. */
function openDefinition(group: string, kind: string, plural: string): UntypedObject {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { kind, plural, singular: kind.toLowerCase(), listKind: `${kind}List` },
      versions: [
        {
          name: 'v1alpha1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  }
}

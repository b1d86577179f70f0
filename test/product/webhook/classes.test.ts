import assert from 'node:assert/strict'
import { test } from 'node:test'
import { resources } from '#kubernetes/client'
import { endlessClassCheckEntry } from '../../support/endless-class-check.ts'
import { eventually } from '../../support/eventually.ts'
import { readMetrics } from '../../support/metrics.ts'
import { classPath, classReview, podReview, type Review, samplePod, startWebhookLab } from './webhook-lab.ts'

const objects = 'array:\n  - |\n    objectName: db\n    objectType: secret\n'
const parameters = { keyvaultName: 'vault', tenantID: 'tenant', clientID: 'client', objects }
const good = { provider: 'azure', parameters }
const broken = { provider: 'azure', parameters: { ...parameters, keyvaultName: undefined, keyvaultname: 'vault' } }
const brokenText =
  'no pod can mount it: spec.parameters: keyvaultName is not provided (found "keyvaultname"; did you mean keyvaultName?)'

test('the check of classes', async (t) => {
  const lab = await startWebhookLab(t)
  const [warning, refusing, off] = await Promise.all([
    lab.start({ classChecks: 'warn' }),
    lab.start({ classChecks: 'refuse' }),
    lab.start({ classChecks: 'off' }),
  ])
  await Promise.all([warning, refusing, off].map(lab.ready))
  await eventually(async () => assert.notEqual(await lab.bundle('classes'), ''))
  const ask = async ({ port }: { port: number }, review: object): Promise<Review['response']> =>
    (await lab.post(port, review, { path: classPath })).body.response

  await t.test('admits a class that works without a warning', async () => {
    for (const webhook of [warning, refusing]) {
      const response = await ask(webhook, classReview(good))
      assert.deepEqual(response, { uid: 'uid-of-request', allowed: true, status: { code: 200 } })
    }
  })

  for (const apiVersion of ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1']) {
    for (const dryRun of [false, true]) {
      await t.test(`warns of one that does not, in ${apiVersion}${dryRun ? ', in a dry run too' : ''}`, async () => {
        const { body } = await lab.post(warning.port, classReview(broken, { apiVersion, dryRun }), { path: classPath })
        assert.equal(body.apiVersion, apiVersion)
        assert.equal(body.response.allowed, true)
        assert.deepEqual(body.response.warnings, [`SecretProviderClass app: ${brokenText}`])
      })
    }
  }

  await t.test(
    'refuses it where the administrator has chosen that, and names the annotation that permits it',
    async () => {
      const { allowed, status, warnings } = await ask(refusing, classReview(broken))
      assert.deepEqual([allowed, warnings], [false, undefined])
      assert.deepEqual(status, {
        code: 422,
        message: `${brokenText} (annotate the class with keymount.dev/checks: warn to create it anyway)`,
      })
    },
  )

  await t.test('only warns of a class that is exempt, and of problems that fail no mount', async () => {
    const exempt = await ask(refusing, classReview(broken, { annotations: { 'keymount.dev/checks': 'warn' } }))
    assert.equal(exempt.allowed, true)
    assert.equal(exempt.warnings?.length, 1)
    const noTenant = await ask(refusing, classReview({ ...good, parameters: { ...parameters, tenantID: '' } }))
    assert.equal(noTenant.allowed, true)
    assert.match(noTenant.warnings?.join() ?? '', /tenantID: missing/)
  })

  await t.test('checks a change of the spec, and no other change of a class', async () => {
    const oldObject = { metadata: { name: 'app' }, spec: good }
    assert.equal((await ask(refusing, classReview(broken, { operation: 'UPDATE', oldObject }))).allowed, false)
    const rotate = { annotations: { 'keymount.dev/rotate': 'now' }, operation: 'UPDATE' }
    const silence = { uid: 'uid-of-request', allowed: true, status: { code: 200 } }
    assert.deepEqual(await ask(refusing, classReview(broken, { ...rotate, oldObject: { spec: broken } })), silence)
    assert.deepEqual(await ask(refusing, classReview(broken, { operation: 'DELETE', object: null })), silence)
    const resource = { group: '', version: 'v1', resource: 'configmaps' }
    assert.deepEqual(await ask(refusing, classReview(broken, { resource })), silence)
  })

  await t.test('writes a message of several lines on one, because a warning travels in a header', async () => {
    const name = 'x\n\ty'
    const { warnings } = await ask(warning, classReview({ ...good, parameters: { ...parameters, [name]: 'z' } }))
    assert.deepEqual(warnings, [
      'SecretProviderClass app: spec.parameters.x y: is not a parameter of this provider, and has no effect',
    ])
  })

  await t.test('denies what is not a review', async () => {
    const { allowed, status } = await ask(warning, { apiVersion: 'v1', kind: 'Pod' })
    assert.deepEqual([allowed, status?.code], [false, 400])
  })

  await t.test('is counted by its result', async () => {
    const metrics = await readMetrics(refusing.metricsPort)
    const count = (result: string) => metrics.value('keymount_webhook_class_checks_total', { result })
    assert.deepEqual([count('accepted'), count('warned'), count('refused')], [4, 2, 2])
  })

  await t.test('is not served where it is off', async () => {
    await assert.rejects(
      lab.post(off.port, classReview(broken), { path: classPath }),
      /^Error: 404 no such path; there are \/mutate-v1-pod/,
    )
  })
})

test('a class whose check does not end is admitted with a warning, and pods do not wait for it', async (t) => {
  const lab = await startWebhookLab(t)
  const metadata = { name: 'app', namespace: 'default' }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const webhook = await lab.start({ classChecks: 'refuse' }, { workerEntry: endlessClassCheckEntry })
  await lab.ready(webhook)
  const ca = await eventually(async () => {
    const bundle = await lab.bundle('classes')
    assert.notEqual(bundle, '')
    return bundle
  })
  let answered = 0
  const classes = Array.from({ length: 4 }, async () => {
    const { body } = await lab.post(webhook.port, classReview(broken), { path: classPath, ca })
    answered++
    return body.response
  })
  const pod = await lab.post(webhook.port, podReview(samplePod), { ca })
  assert.equal(pod.body.response.allowed, true)
  assert.notEqual(pod.body.response.patch, undefined)
  assert.equal(answered, 0)
  const responses = await Promise.all(classes)
  for (const { allowed } of responses) assert.equal(allowed, true)
  const [warning = ''] = responses[0]?.warnings ?? []
  assert.match(warning, /^SecretProviderClass app: .*could not be checked: check-class took longer than 2 s/)
})

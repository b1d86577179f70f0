import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isConflict, resources } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { readMetrics } from '../../support/metrics.ts'
import { applyJsonPatch } from './apply-json-patch.ts'
import { podReview, type Review, samplePod, startWebhookLab, type WebhookLab } from './webhook-lab.ts'

const clientId = 'azure.workload.identity/client-id'

function patchOf({ response }: Review) {
  return JSON.parse(Buffer.from(response.patch ?? '', 'base64').toString('utf8')) as {
    op: string
    path: string
    value: unknown
  }[]
}

function environmentOf(review: Review): Record<string, string> {
  const { spec } = applyJsonPatch(samplePod, patchOf(review)) as {
    spec: { containers: { env: { name: string; value: string }[] }[] }
  }
  return Object.fromEntries((spec.containers[0]?.env ?? []).map(({ name, value }) => [name, value]))
}

async function createAccount(
  lab: WebhookLab,
  name: string,
  annotations: Record<string, string> = {},
  namespace = 'default',
) {
  const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace, annotations } }
  await lab.kube.create(resources.serviceAccounts, account).catch((error) => {
    if (!isConflict(error)) throw error
  })
}

test('the webhook', async (t) => {
  const lab = await startWebhookLab(t)
  await createAccount(lab, 'app', { [clientId]: 'client' })
  const webhook = await lab.start()
  await lab.ready(webhook)
  const post = (review: object, options?: Parameters<WebhookLab['post']>[2]) => lab.post(webhook.port, review, options)
  const podOf = (serviceAccountName: string | undefined) => ({
    ...samplePod,
    spec: { ...samplePod.spec, serviceAccountName },
  })

  await t.test('an answer with letters beyond ASCII is UTF-8, and so is its patch', async () => {
    await createAccount(lab, 'beyond-ascii', { [clientId]: 'prüfung-検査' })
    const { body } = await post(podReview(podOf('beyond-ascii'), { uid: 'prüfung-検査' }))
    assert.equal(body.response.uid, 'prüfung-検査')
    assert.equal(environmentOf(body).AZURE_CLIENT_ID, 'prüfung-検査')
    await lab.kube.delete(resources.serviceAccounts, { name: 'beyond-ascii', namespace: 'default' })
  })

  for (const apiVersion of ['admission.k8s.io/v1', 'admission.k8s.io/v1beta1']) {
    await t.test(`answers ${apiVersion} in its own version, with the request's uid`, async () => {
      const { status, body } = await post(podReview(samplePod, { apiVersion }))
      assert.equal(status, 200)
      const { patch, ...response } = body.response
      assert.ok(patch !== undefined)
      assert.deepEqual(
        { ...body, response },
        {
          apiVersion,
          kind: 'AdmissionReview',
          response: {
            uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
            allowed: true,
            status: { code: 200 },
            patchType: 'JSONPatch',
          },
        },
      )
      assert.equal(environmentOf(body).AZURE_CLIENT_ID, 'client')
    })
  }

  await t.test('answers a second round without a patch', async () => {
    const { body: first } = await post(podReview(samplePod))
    const { body } = await post(podReview(applyJsonPatch(samplePod, patchOf(first)) as object))
    assert.deepEqual(body.response, { uid: first.response.uid, allowed: true, status: { code: 200 } })
  })

  await t.test('answers a dry run like any other', async () => {
    const { body } = await post(podReview(samplePod, { dryRun: true }))
    assert.equal(environmentOf(body).AZURE_CLIENT_ID, 'client')
  })

  await t.test('finds a service account that was created a moment ago, and the default one', async () => {
    await createAccount(lab, 'fresh', { [clientId]: 'of-fresh' })
    assert.equal(environmentOf((await post(podReview(podOf('fresh')))).body).AZURE_CLIENT_ID, 'of-fresh')
    await createAccount(lab, 'default')
    const { response } = (await post(podReview(podOf(undefined)))).body
    assert.equal(response.allowed, true)
    assert.match(response.warnings?.join() ?? '', /service account default has no annotation/)
  })

  await t.test('stores the default service account too, once it has an annotation', async () => {
    await createAccount(lab, 'default')
    const ref = { name: 'default', namespace: 'default' }
    await lab.kube.patch(resources.serviceAccounts, ref, { metadata: { annotations: { [clientId]: 'of-default' } } })
    await eventually(async () => {
      assert.equal((await readMetrics(webhook.metricsPort)).value('keymount_webhook_service_accounts'), 3)
    })
    const { body } = await post(podReview(podOf(undefined)))
    assert.equal(environmentOf(body).AZURE_CLIENT_ID, 'of-default')
    assert.equal(body.response.warnings, undefined)
    await lab.kube.patch(resources.serviceAccounts, ref, { metadata: { annotations: { [clientId]: null } } })
  })

  await t.test('follows the annotations of a service account', async () => {
    await createAccount(lab, 'changing', { [clientId]: 'before' })
    assert.equal(environmentOf((await post(podReview(podOf('changing')))).body).AZURE_CLIENT_ID, 'before')
    const annotations = { [clientId]: 'after' }
    await lab.kube.patch(
      resources.serviceAccounts,
      { name: 'changing', namespace: 'default' },
      { metadata: { annotations } },
    )
    await eventually(async () => {
      assert.equal(environmentOf((await post(podReview(podOf('changing')))).body).AZURE_CLIENT_ID, 'after')
    })
  })

  const denied: [what: string, review: object, code: number, message: string | RegExp][] = [
    ['an empty request', podReview({}, { object: undefined }), 400, 'there is no content to decode'],
    [
      'a service account that does not exist',
      podReview({ ...samplePod, spec: { ...samplePod.spec, serviceAccountName: 'sa' } }),
      400,
      'serviceaccounts "sa" not found',
    ],
    [
      'a pod of the wrong shape',
      podReview({ spec: { containers: 'x' } }),
      400,
      /spec.containers: found string, expected a list/,
    ],
    [
      'a wrong annotation',
      podReview({
        ...samplePod,
        metadata: { name: 'p', annotations: { 'azure.workload.identity/service-account-token-expiration': '100' } },
      }),
      400,
      /token expiration 100 not valid/,
    ],
    [
      'a review of another version',
      podReview(samplePod, { apiVersion: 'admission.k8s.io/v2' }),
      400,
      /found apiVersion admission.k8s.io\/v2/,
    ],
    ['another kind', { apiVersion: 'v1', kind: 'Pod' }, 400, /expected one of admission.k8s.io\/v1/],
  ]
  for (const [what, review, code, message] of denied) {
    await t.test(`denies ${what} in an answer of status 200`, async () => {
      const { status, body } = await post(review)
      assert.equal(status, 200)
      assert.equal(body.response.allowed, false)
      assert.equal(body.response.status?.code, code)
      if (typeof message === 'string') assert.equal(body.response.status?.message, message)
      else assert.match(body.response.status?.message ?? '', message)
    })
  }

  const badBodies: [what: string, options: { body?: string; contentType?: string }, code: number, message: RegExp][] = [
    ['no body', { body: '' }, 400, /^request body is empty$/],
    [
      'what is not JSON, without quoting it',
      { body: '{"request": secret-text' },
      400,
      /^cannot decode the AdmissionReview: the body is not valid JSON: line 1, column 13: (?!.*secret)/,
    ],
    ['JSON that nests too deep', { body: '['.repeat(200) + ']'.repeat(200) }, 400, /nests deeper than the 128 levels/],
    [
      'another content type',
      { contentType: 'text/plain' },
      400,
      /^contentType=text\/plain, expected application\/json$/,
    ],
    ['a content type with a charset', { contentType: 'application/json; charset=utf-8' }, 400, /^contentType=/],
    [
      'more than 7 MiB',
      { body: `"${'x'.repeat(7 * 1024 * 1024)}"` },
      413,
      /^request entity is too large; limit is 7340032 bytes$/,
    ],
  ]
  for (const [what, options, code, message] of badBodies) {
    await t.test(`denies ${what} with ${code}`, async () => {
      const { status, body } = await post(podReview(samplePod), options)
      assert.equal(status, 200)
      assert.equal(body.response.allowed, false)
      assert.equal(body.response.status?.code, code)
      assert.match(body.response.status?.message ?? '', message)
    })
  }

  for (const request of [
    { operation: 'UPDATE' },
    { subResource: 'ephemeralcontainers' },
    { operation: 'DELETE', object: null },
    { resource: { group: 'apps', version: 'v1', resource: 'deployments' } },
  ]) {
    await t.test(`admits ${JSON.stringify(request)} unchanged`, async () => {
      const { response } = (await post(podReview(samplePod, request))).body
      assert.deepEqual([response.allowed, response.patch], [true, undefined])
    })
  }

  await t.test('counts mutations by namespace and result', async () => {
    await createAccount(lab, 'app', { [clientId]: 'client' }, 'kube-system')
    await post(podReview(samplePod, { namespace: 'kube-system' }))
    const metrics = await readMetrics(webhook.metricsPort)
    const labels = { namespace: 'kube-system', result: 'mutated', service_name: 'webhook' }
    assert.equal(metrics.value('azwi_mutation_request_count', labels), 1)
    assert.equal(metrics.find('azwi_mutation_request_bucket', { ...labels, le: '0.001' }).length, 1)
    const expiry = metrics.value('keymount_webhook_certificate_expiry_timestamp_seconds') ?? 0
    assert.ok(expiry > Date.now() / 1000)
  })

  await t.test('counts a namespace by its name only when it exists', async () => {
    const invented = ['invented-a', 'invented-b']
    for (const namespace of invented) await post(podReview(samplePod, { namespace }))
    const metrics = await readMetrics(webhook.metricsPort)
    for (const namespace of invented)
      assert.equal(metrics.value('azwi_mutation_request_count', { namespace }), undefined)
    assert.ok((metrics.value('azwi_mutation_request_count', { namespace: '', result: 'denied' }) ?? 0) >= 2)
  })

  await t.test('stores only the service accounts that have an annotation of workload identity', async () => {
    const { items } = await lab.kube.list(resources.serviceAccounts)
    const annotated = items.filter(({ metadata }) => metadata.annotations?.[clientId] !== undefined)
    assert.ok(annotated.length > 0 && annotated.length < items.length)
    await eventually(async () => {
      const count = (await readMetrics(webhook.metricsPort)).value('keymount_webhook_service_accounts')
      assert.equal(count, annotated.length)
    })
  })

  await t.test('is healthy and ready', async () => {
    for (const path of ['healthz', 'readyz']) {
      assert.equal((await fetch(`http://127.0.0.1:${webhook.healthPort}/${path}`)).status, 200)
    }
  })
})

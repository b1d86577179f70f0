import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDriver } from '../../support/driver.ts'

const scope = 'otel_scope_name="sigs.k8s.io/secrets-store-csi-driver",otel_scope_version="",otel_scope_schema_url=""'

test('calls are counted under the names and labels that dashboards of upstream use', async (t) => {
  const driver = await startDriver(t)
  const pod = await driver.pod()
  const calls = async () => (await driver.metrics()).split('\n').filter((line) => line.startsWith('node_'))
  assert.deepEqual(await calls(), [])
  await driver.publish(pod.request)
  await driver.publish(pod.request)
  await assert.rejects(driver.publish((await driver.pod({ className: 'absent' })).request))
  await driver.unpublish(pod.request)
  await assert.rejects(driver.unpublish({ volumeId: '', targetPath: '' }))
  assert.deepEqual(await calls(), [
    `node_publish_total{os_type="linux",provider="e2e-provider",${scope}} 2`,
    `node_publish_error_total{os_type="linux",provider="",error_type="SecretProviderClassNotFound",${scope}} 1`,
    `node_unpublish_total{os_type="linux",${scope}} 1`,
    `node_unpublish_error_total{os_type="linux",${scope}} 1`,
  ])
})

test('metrics are Prometheus text; another path lists the paths', async (t) => {
  const driver = await startDriver(t)
  assert.equal((await driver.get('/metrics', driver.running.metricsPort)).status, 200)
  const lost = await driver.get('/', driver.running.metricsPort)
  assert.equal(lost.status, 404)
  assert.match(lost.body, /\/metrics/)
})

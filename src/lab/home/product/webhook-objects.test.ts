import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PodSpec, UntypedObject } from '#kubernetes/client'
import { webhookObjects } from './webhook-objects.ts'

const root = join(import.meta.dirname, '../../../..')
const ports = { driverMetrics: 1, driverHealth: 2, providerMetrics: 3, providerHealth: 4, webhook: 5, webhookHealth: 6 }

function deploymentOf(objects: readonly UntypedObject[]) {
  const found = objects.find(({ kind }) => kind === 'Deployment')
  assert.ok(found !== undefined)
  const spec = found.spec as { replicas: number; template: { spec: PodSpec } }
  const [container] = spec.template.spec.containers
  assert.ok(container !== undefined)
  return { replicas: spec.replicas, container }
}

const variable = ({ env = [] }: ReturnType<typeof deploymentOf>['container'], name: string) =>
  env.find((each) => each.name === name)?.value

test('webhookObjects() gives the webhook its tenant, and changes nothing else for a cluster with images of its own', () => {
  const { replicas, container } = deploymentOf(webhookObjects(root, { tenantId: 'my-tenant' }))
  assert.equal(variable(container, 'AZURE_TENANT_ID'), 'my-tenant')
  assert.equal(replicas, 2)
  assert.ok(container.args?.includes('--webhook-addr=:9443'))
})

test('webhookObjects() names the image of the lab for the webhook, and for the sidecar that it gives to pods', () => {
  const { container } = deploymentOf(webhookObjects(root, { tenantId: 't', image: 'keymount.local/keymount:1' }))
  assert.equal(container.image, 'keymount.local/keymount:1')
  assert.equal(variable(container, 'PROXY_IMAGE'), 'keymount.local/keymount:1')
})

test('webhookObjects() lets one replica listen on ports of its own where all pods share the machine', () => {
  const shared = { providersDirectory: '/providers', ports }
  const { replicas, container } = deploymentOf(webhookObjects(root, { tenantId: 't', shared }))
  assert.equal(replicas, 1)
  const addresses = container.args?.filter((word) => /-addr=/.test(word))
  assert.deepEqual(addresses, ['--webhook-addr=127.0.0.1:5', '--health-addr=127.0.0.1:6', '--metrics-addr=0'])
  assert.deepEqual(
    container.ports?.map(({ name, containerPort }) => [name, containerPort]),
    [
      ['webhook-server', 5],
      ['healthz', 6],
    ],
  )
})

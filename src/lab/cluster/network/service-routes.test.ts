import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ApiObject } from '../api-server/api-object.ts'
import { serviceRoutes } from './service-routes.ts'

const service = (spec: object): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { namespace: 'default', name: 'shop' },
  spec: { clusterIP: '10.96.1.1', selector: { app: 'shop' }, ports: [{ port: 80, targetPort: 'web' }], ...spec },
})

const pod = (podIP: string, options: { namespace?: string; ready?: boolean; ports?: object[] } = {}): ApiObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { namespace: options.namespace ?? 'default', name: podIP, labels: { app: 'shop' } },
  spec: { containers: [{ ports: options.ports ?? [{ name: 'web', containerPort: 8080 }] }] },
  status: { podIP, conditions: [{ type: 'Ready', status: options.ready === false ? 'False' : 'True' }] },
})

const name = 'shop.default.svc.cluster.local'

test('a Service leads to the ports of the ready pods that it selects in its namespace', () => {
  const pods = [pod('10.244.0.2'), pod('10.244.0.3', { ready: false }), pod('10.244.0.4', { namespace: 'other' })]
  assert.deepEqual(serviceRoutes([service({})], pods), {
    services: { '10.96.1.1:80': ['10.244.0.2:8080'] },
    names: { [name]: ['10.96.1.1'] },
  })
  const { services } = serviceRoutes([service({ publishNotReadyAddresses: true })], pods)
  assert.deepEqual(services['10.96.1.1:80'], ['10.244.0.2:8080', '10.244.0.3:8080'])
})

test('a Service without pods refuses connections, and one without a selector leads nowhere', () => {
  assert.deepEqual(serviceRoutes([service({})], []).services, { '10.96.1.1:80': [] })
  assert.deepEqual(serviceRoutes([service({ selector: {} })], [pod('10.244.0.2')]).services, { '10.96.1.1:80': [] })
  const portless = [pod('10.244.0.2', { ports: [] })]
  assert.deepEqual(serviceRoutes([service({})], portless).services, { '10.96.1.1:80': [] })
})

test('the name of a headless Service leads to its pods', () => {
  const pods = [pod('10.244.0.2'), pod('10.244.0.3')]
  assert.deepEqual(serviceRoutes([service({ clusterIP: 'None' })], pods), {
    services: {},
    names: { [name]: ['10.244.0.2', '10.244.0.3'] },
  })
})

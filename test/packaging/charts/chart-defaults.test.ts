import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse } from 'yaml'
import { chartDefaults } from '../../../src/lab/home/product/chart-defaults.ts'
import { daemonSets, needsHelm, template } from './helm.ts'

const azure = {
  proxy: 'http://127.0.0.1:18443',
  imds: 'http://127.0.0.1:18170',
  caPem: '-----BEGIN CERTIFICATE-----\n',
  noProxy: ['127.0.0.1', 'localhost'],
}

function valuesOf(settings: Parameters<typeof chartDefaults>[0]): object {
  const { data } = chartDefaults(settings) as unknown as { data: { 'values.yaml': string } }
  return parse(data['values.yaml']) as object
}

test('a cluster of the lab sets only values that its charts have', needsHelm, async () => {
  const ports = {
    driverMetrics: 1,
    driverHealth: 2,
    providerMetrics: 3,
    providerHealth: 4,
    webhook: 5,
    webhookHealth: 6,
  }
  const shared = { providersDirectory: '/lab/providers', ports }
  const image = 'keymount.local:5000/keymount:abc'
  const objects = await template(valuesOf({ image, kubeletRoot: '/lab/kubelet', azure, shared }))
  const text = JSON.stringify(daemonSets(objects))
  for (const part of [image, '/lab/kubelet/plugins', '/lab/providers', '127.0.0.1:1', ':2', azure.imds]) {
    assert.ok(text.includes(part), `the daemons have ${part}`)
  }
  const environment = objects.find(({ metadata }) => metadata.name === 'keymount-provider-env')
  assert.deepEqual(environment?.data, { HTTPS_PROXY: azure.proxy, NO_PROXY: '127.0.0.1,localhost' })
})

test('a cluster that shares nothing sets the directories of its nodes, and nothing else', needsHelm, async () => {
  assert.deepEqual(valuesOf({ kubeletRoot: '/var/lib/kubelet' }), { linux: { kubeletRootDir: '/var/lib/kubelet' } })
  await template(valuesOf({ kubeletRoot: '/var/lib/kubelet', azure }))
})

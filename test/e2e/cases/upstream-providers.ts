import assert from 'node:assert/strict'
import { it } from 'node:test'
import { resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { createClass, createReadyPod, fooSecret, read, secretOf } from '../mock-workload.ts'
import { createNamespace } from '../namespaces.ts'
import { describeWithProvider } from '../provider/e2e-provider.ts'
import { deletePod } from '../wait.ts'

/** What upstream's suites of single providers check in addition to its common cases (e2e-provider.bats, here upstream.ts). */
export function upstreamProviderCases(lab: () => Lab): void {
  describeWithProvider('upstream: suites of single providers', lab, (provider) => {
    it('vault, openbao, conjur: an object name with a directory is mounted and synced, with the annotations of the class', async () => {
      const pod = { namespace: await createNamespace(lab(), 'nested'), name: 'nested' }
      const annotations = { 'kubed.appscode.com/sync': 'app=test' }
      const data = [{ objectName: 'nested/bar', key: 'nestedkey' }]
      await createClass(lab(), {
        ...pod,
        objects: ['foo', 'nested/bar'],
        secretObjects: [{ secretName: 'nested', type: 'Opaque', annotations, data }],
      })
      await createReadyPod(lab(), { ...pod, classes: [pod.name] })
      assert.equal(await read(lab(), pod, 'nested/bar'), '')
      const secret = await secretOf(lab(), pod)
      assert.deepEqual(Object.keys(secret?.values ?? {}), ['nestedkey'])
      assert.equal(secret?.object.metadata.annotations?.['kubed.appscode.com/sync'], 'app=test')
      await deletePod(lab(), pod.namespace, pod.name)
      await until('the Secret to go', async () => (await secretOf(lab(), pod)) === undefined || undefined)
    })

    it('aws: before its interval is over a pod still has the old value, and then the new one', async () => {
      const namespace = await createNamespace(lab(), 'interval')
      for (const [name, parameters] of Object.entries({ slow: { syncInterval: '1h' }, usual: {} })) {
        await createClass(lab(), { namespace, name, parameters })
        await createReadyPod(lab(), { namespace, name, classes: [name] })
      }
      await provider().setRotated(true)
      try {
        await until('the usual one to follow', async () => {
          return (await read(lab(), { namespace, name: 'usual' }, 'foo')) === 'rotated' || undefined
        })
        // Two more intervals of the installation.
        await sleep(10_000)
        assert.equal(await read(lab(), { namespace, name: 'slow' }, 'foo'), 'secret')
      } finally {
        await provider().setRotated(false)
      }
    })

    it('akeyless: what nodePublishSecretRef names reaches the provider', async () => {
      const pod = { namespace: await createNamespace(lab(), 'credentials'), name: 'credentials' }
      const kind = { apiVersion: 'v1', kind: 'Secret' }
      await lab().kube.create(resources.secrets, {
        ...kind,
        metadata: { ...pod, labels: { 'secrets-store.csi.k8s.io/used': 'true' } },
        type: 'Opaque',
        data: { accessId: Buffer.from('p-1').toString('base64') },
      })
      await createClass(lab(), { ...pod, secretObjects: [fooSecret()] })
      await createReadyPod(lab(), { ...pod, classes: [pod.name], nodePublishSecret: pod.name })
      assert.deepEqual(await provider().lastSecrets(), { accessId: 'p-1' })
    })
  })
}

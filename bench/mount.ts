/**
 * The main job as kubelet sees it: NodePublishVolume, p50 in milliseconds, for 1 and 20 secrets and a vault that answers
 * after 0 and 30 ms. Driver, provider and local Azure are processes of their own, driver as in the image; each sample is a
 * new pod.
 *
 *   cold   no token is held and nothing shared: sign-in and one request per object
 *   warm   the token is held, every object is asked for
 *
 * With 30 ms, 20 secrets must cost little more than one. Upstream's provider alone (without its driver) takes 159 ms for one
 * and 750 ms for twenty. The last line is JSON.
 */
import { mkdirSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { resources } from '#kubernetes/client'
import { startDriverLab } from '../test/support/driver-lab.ts'
import { objectsOf } from '../test/support/provider.ts'
import { startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'
import { bundledDriver } from './support/driver-bundle.ts'
import { startProviderDaemon } from './support/provider-daemon.ts'
import { quantile, rounded } from './support/statistics.ts'

const keyvaultName = 'bench-vault'
const tokensKey = 'csi.storage.k8s.io/serviceAccount.tokens'
const rounds = 30
const upstreamProvider: Record<string, number> = { '1 secrets, 30 ms': 159, '20 secrets, 30 ms': 750 }

const cleanup = createCleanup()
try {
  const azure = await startProviderLabProcess(cleanup.t)
  const { clientId: clientID } = await azure.createReadableVault(keyvaultName)
  for (let i = 0; i < 20; i++) await azure.azure.setSecret(keyvaultName, `secret-${i}`, `value of ${i}`)
  const bundle = await bundledDriver()
  cleanup.t.after(bundle.remove)
  const lab = await startDriverLab({ direct: true, command: bundle.command })
  cleanup.t.after(() => lab.stop())

  const daemons = {
    cold: await startProviderDaemon(cleanup.t, azure, { flags: ['--token-cache-ttl=0s', '--read-share=0s'] }),
    warm: await startProviderDaemon(cleanup.t, azure, { flags: ['--read-share=0s'] }),
  }
  const results: Record<string, Record<string, number>> = {}
  for (const [mode, { socket }] of Object.entries(daemons)) {
    const link = join(lab.root, 'providers', `${mode}.sock`)
    mkdirSync(dirname(link), { recursive: true })
    symlinkSync(socket, link)
    for (const delay of [0, 30]) {
      await azure.azure.control('PUT', '/delay', { ms: delay })
      for (const count of [1, 20]) {
        const objects = Array.from({ length: count }, (_, i) => ({ objectName: `secret-${i}`, objectType: 'secret' }))
        const parameters = {
          keyvaultName,
          clientID,
          tenantId: azure.azure.administrator.tenantId,
          objects: objectsOf(...objects),
        }
        const className = `class-${mode}-${delay}-${count}`
        await lab.kube.create(resources.secretProviderClasses, {
          apiVersion: 'secrets-store.csi.x-k8s.io/v1',
          kind: 'SecretProviderClass',
          metadata: { name: className, namespace: 'default' },
          spec: { provider: mode, parameters },
        })
        const key = `${count} secrets, ${delay} ms`
        const p50 = await medianPublish(className, parameters)
        results[key] = { ...results[key], [mode]: p50 }
      }
    }
  }
  for (const [key, row] of Object.entries(results)) {
    const upstream = upstreamProvider[key]
    const beside = upstream === undefined ? '' : `, upstream's provider alone ${upstream} ms`
    console.log(`${key}: cold ${row.cold} ms, warm ${row.warm} ms${beside}`)
  }
  console.log(JSON.stringify({ bench: 'mount', unit: 'ms', p50: results, upstreamProvider }))

  async function medianPublish(className: string, parameters: Record<string, string>): Promise<number> {
    const samples: number[] = []
    for (let i = 0; i < rounds + 3; i++) {
      const pod = await lab.pod(className)
      const { attributes = '{}' } = await azure.request(parameters)
      const { [tokensKey]: tokens = '' } = JSON.parse(attributes) as Record<string, string>
      pod.request.volumeContext[tokensKey] = tokens
      const startedAt = performance.now()
      await lab.publish(pod)
      if (i >= 3) samples.push(performance.now() - startedAt)
      await lab.unpublish(pod)
    }
    return rounded(quantile(samples, 0.5))
  }
} finally {
  await cleanup.run()
}

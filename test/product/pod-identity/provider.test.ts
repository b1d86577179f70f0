import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { attributes, startProvider } from '../../support/provider.ts'
import { startNmiLab } from './nmi-lab.ts'

test('usePodIdentity mounts with the identity of the pod’s binding, waits for it, and refuses a pod without', async (t) => {
  const lab = await startNmiLab(t, { attemptsForCreated: 40, findRetryMs: 50 })
  const { azure } = lab
  const vault = await azure.createVault('pod-identity-vault')
  await azure.setSecret(vault.name, 'db-password', 'hunter2')
  const shop = await lab.createIdentity('shop')
  await azure.assignRole('Key Vault Secrets User', shop.principalId, vault.id)
  const { mount } = await startProvider(t, {
    http: { proxyEnv: { HTTPS_PROXY: azure.proxyUrl }, ca: readFileSync(azure.caFile, 'utf8') },
    nmiEndpoint: `http://127.0.0.1:${lab.nmi.port}`,
  })
  const mountFor = (pod: string) =>
    mount({
      attributes: attributes({
        'csi.storage.k8s.io/pod.name': pod,
        keyvaultName: vault.name,
        tenantID: azure.administrator.tenantId,
        usePodIdentity: 'true',
        objects: '- {objectName: db-password, objectType: secret}',
      }),
    })

  // Kubelet mounts before the controller has seen the pod.
  const mounting = mountFor('web')
  const { id: resourceID, clientId: clientID } = shop
  await lab.assign('web', await lab.createIdentityObject('shop', { type: 0, resourceID, clientID }))
  assert.equal((await mounting).files[0]?.contents.toString(), 'hunter2')
  await assert.rejects(mountFor('stranger'), /\[pod-identity-not-bound\].*default\/stranger in CREATED state failed/)
})

import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto'
import { describe, it } from 'node:test'
import { resources } from '#kubernetes/client'
import { until } from '../../support/eventually.ts'
import type { Lab } from '../../support/lab.ts'
import { plant } from '../planted.ts'
import { createCertificate, createKey, grantVaultData } from '../vault-objects.ts'
import { podReady } from '../wait.ts'
import { createWorkload } from '../workload.ts'

/** Every kind of object and of identity, each with the manifests of `examples/` that a user applies. */
export function objectCases(lab: () => Lab): void {
  describe('what a vault holds', () => {
    it('a key is mounted as its public half', async () => {
      const { vault, applyExample, read } = await createWorkload(lab(), 'key', { roles: ['Key Vault Crypto User'] })
      await grantVaultData(lab(), 'Key Vault Crypto Officer', vault)
      const expected = await createKey(lab(), vault, 'signing-key', { kty: 'EC', crv: 'P-256' })
      const pod = await applyExample('keys')
      assert.equal(await read(pod, 'signing.pub'), expected)
    })

    it('a certificate is mounted as key with chain, as leaf, and as public key', async () => {
      const { vault, applyExample, read } = await createWorkload(lab(), 'cert', {
        roles: ['Key Vault Secrets User', 'Key Vault Certificate User', 'Key Vault Crypto User'],
      })
      await grantVaultData(lab(), 'Key Vault Certificates Officer', vault)
      await createCertificate(lab(), vault, 'web', 'CN=web.example.com')
      const pod = await applyExample('certificates')
      const leaf = new X509Certificate(await read(pod, 'tls.crt'))
      const publicKey = await read(pod, 'tls.pub')
      const combined = await read(pod, 'tls.pem')
      assert.equal(leaf.subject, 'CN=web.example.com')
      assert.equal(leaf.publicKey.export({ format: 'pem', type: 'spki' }), publicKey)
      assert.equal(createPublicKey(combined).export({ format: 'pem', type: 'spki' }), publicKey)
      assert.ok(combined.endsWith(await read(pod, 'tls.crt')), 'the chain follows the key')
    })

    it('members of a JSON secret are files of their own, with their own modes', async () => {
      const workload = await createWorkload(lab(), 'json')
      const database = { user: 'app', password: plant('of-a-json-member'), hosts: ['first.example', 'second.example'] }
      await workload.setSecret('database', JSON.stringify(database))
      const pod = await workload.applyExample('json-secret')
      for (const [file, value] of [
        ['user', database.user],
        ['password', database.password],
        ['host', database.hosts[0]],
      ] as const) {
        assert.equal(await workload.read(pod, `database/${file}`), value)
      }
      const path = '/mnt/secrets-store/database/password'
      const { stdout } = await lab().exec(workload.namespace, pod, undefined, ['stat', '-L', '-c', '%a', path])
      assert.equal(stdout.trim(), '400')
    })

    it('objects of several vaults are in one volume', async () => {
      const workload = await createWorkload(lab(), 'vaults')
      const other = `${workload.vault}-b`
      await lab().azure.createVault(other)
      await lab().azure.assignRole({
        principalId: workload.identity.principalId,
        role: 'Key Vault Secrets User',
        vault: other,
      })
      await workload.setSecret('password', 'of-the-first-vault')
      await lab().azure.setSecret(other, 'password', plant('of-the-second-vault'))
      const pod = await workload.applyExample('several-vaults', { OTHER_KEYVAULT_NAME: other })
      assert.equal(await workload.read(pod, 'password'), 'of-the-first-vault')
      assert.equal(await workload.read(pod, 'shared/password'), 'of-the-second-vault')
    })
  })

  describe('what a class makes of it', () => {
    it('every object whose name fits, with one entry instead of fifty', async () => {
      const workload = await createWorkload(lab(), 'select')
      const names = Array.from({ length: 50 }, (_, index) => String(index).padStart(3, '0'))
      for (const name of names) await workload.setSecret(`shop-${name}`, `setting-${name}`)
      await workload.setSecret('shop-001-test', 'excluded')
      await workload.setSecret('other', 'not-selected')
      const pod = await workload.applyExample('selectors')
      const folder = '/mnt/secrets-store/settings'
      const { stdout } = await lab().exec(workload.namespace, pod, undefined, ['ls', folder])
      assert.deepEqual(stdout.trim().split(/\s+/), names)
      assert.equal(await workload.read(pod, 'settings/042'), 'setting-042')
    })

    it('one file of several secrets, by a template', async () => {
      const workload = await createWorkload(lab(), 'template')
      await workload.setSecret('db-url', 'jdbc:postgresql://db.example/shop')
      await workload.setSecret('db-password', 'p=1:2#3')
      await workload.setSecret('flag-beta', 'on')
      const pod = await workload.applyExample('templates')
      const lines = [
        'spring.datasource.url=jdbc:postgresql://db.example/shop',
        'spring.datasource.password=p\\=1\\:2\\#3',
        'flags.beta=on',
        '',
      ]
      assert.equal(await workload.read(pod, 'application.properties'), lines.join('\n'))
      const { stdout } = await lab().exec(workload.namespace, pod, undefined, ['ls', '/mnt/secrets-store'])
      assert.equal(stdout.trim(), 'application.properties')
    })

    it('a Kubernetes Secret, which is there when the container starts', async () => {
      const workload = await createWorkload(lab(), 'secret')
      await workload.setSecret('api-key', 'of-the-secret')
      const pod = await workload.applyExample('kubernetes-secret')
      const { stdout } = await lab().exec(workload.namespace, pod, undefined, ['sh', '-c', 'echo $API_KEY'])
      assert.equal(stdout.trim(), 'of-the-secret')
    })

    it('a TLS Secret with the key and the chain of a certificate', async () => {
      const workload = await createWorkload(lab(), 'tls')
      await grantVaultData(lab(), 'Key Vault Certificates Officer', workload.vault)
      await createCertificate(lab(), workload.vault, 'web', 'CN=web.example.com')
      await workload.applyExample('tls-secret')
      const secret = await until('the TLS Secret', async () => {
        const { items } = await lab().kube.list(resources.secrets, { namespace: workload.namespace })
        return items.find(({ metadata }) => metadata.name === 'web-tls')
      })
      const [certificate, key] = ['tls.crt', 'tls.key'].map((name) => Buffer.from(secret.data?.[name] ?? '', 'base64'))
      assert.equal(secret.type, 'kubernetes.io/tls')
      const leaf = new X509Certificate(certificate ?? '')
      assert.equal(leaf.subject, 'CN=web.example.com')
      assert.ok(leaf.checkPrivateKey(createPrivateKey(key ?? '')))
    })

    it('files of a user of their own, in every pod of a Deployment', async () => {
      const workload = await createWorkload(lab(), 'deploy')
      await workload.setSecret('api-key', 'of-the-deployment')
      const pod = await workload.applyExample('deployment')
      assert.equal(await workload.read(pod, 'api-key'), 'of-the-deployment')
      const path = '/mnt/secrets-store/api-key'
      const { stdout } = await lab().exec(workload.namespace, pod, undefined, ['stat', '-L', '-c', '%a %u', path])
      assert.equal(stdout.trim(), '400 1000')
    })
  })

  it('a class with useEmulator reads from the local Azure whose address the provider got', async () => {
    const workload = await createWorkload(lab(), 'emulator', { parameters: { useEmulator: 'true' } })
    await workload.setSecret('ExampleSecret', 'read-from-the-emulator')
    await workload.startPod('emulator')
    await podReady(lab(), workload.namespace, 'emulator')
    assert.equal(await workload.read('emulator', 'ExampleSecret'), 'read-from-the-emulator')
  })

  describe('who signs in', () => {
    it('an application with the client secret of the nodePublishSecretRef', async () => {
      const workload = await createWorkload(lab(), 'sp')
      await workload.setSecret('ExampleSecret', 'read-by-an-application')
      const { clientId, clientSecret, principalId } = await lab().azure.createApplication(workload.namespace)
      await lab().azure.assignRole({ principalId, role: 'Key Vault Secrets User', vault: workload.vault })
      const pod = await workload.applyExample('service-principal', {
        SERVICE_PRINCIPAL_CLIENT_ID: clientId,
        SERVICE_PRINCIPAL_CLIENT_SECRET: plant(clientSecret.revealText()),
      })
      assert.equal(await workload.read(pod, 'ExampleSecret'), 'read-by-an-application')
    })

    it('the managed identity of the node', async () => {
      const workload = await createWorkload(lab(), 'mi')
      await workload.setSecret('ExampleSecret', 'read-by-the-node')
      await lab().azure.assignToNodes(workload.namespace, [workload.identity.name])
      const pod = await workload.applyExample('managed-identity')
      assert.equal(await workload.read(pod, 'ExampleSecret'), 'read-by-the-node')
    })
  })
}

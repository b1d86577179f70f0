import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAllDocuments, stringify } from 'yaml'
import type { UntypedObject } from '#kubernetes/client'
import { eventually } from '../../support/eventually.ts'
import { mayMount } from '../../support/may-mount.ts'
import { temporaryHome } from './lab-in-temporary-home.ts'
import { clusterSkip, kubectlWith, labTools } from './lab-tools.ts'

const skip = clusterSkip() ?? (mayMount() ? false : 'needs the right to mount')

test('after up --sync every SecretSync of examples/ becomes its Secret', { skip }, async (t) => {
  const home = await temporaryHome(t)
  const lab = await home.up('--sync', '--caching', 'off', '--rotation-poll-interval', '2s')
  const { az, example } = await labTools(t, home)
  const kubectl = kubectlWith(lab.kubeconfig, home.path)
  await az('group create -n shop -l westeurope')
  const identity = (await az('identity create -g shop -n shop')) as { clientId: string; principalId: string }
  const subject = 'system:serviceaccount:default:workload-identity-sa'
  await az(
    `identity federated-credential create -g shop --identity-name shop -n shop --issuer ${lab.issuer} --subject ${subject}`,
  )
  const vault = (await az('keyvault create -g shop -n shop-vault -l westeurope --enable-rbac-authorization false')) as {
    properties: { tenantId: string }
  }
  await az(`keyvault set-policy -n shop-vault --object-id ${identity.principalId} --secret-permissions get`)
  const registry = JSON.stringify({ auths: { 'registry.example.com': { auth: 'eDp5' } } })
  await az('keyvault secret set --vault-name shop-vault -n database-password --value', 'planted-password')
  await az('keyvault secret set --vault-name shop-vault -n registry --value', registry)
  await az('keyvault certificate create --vault-name shop-vault -n web -p', JSON.stringify(policy))

  await kubectl('create', 'serviceaccount', 'workload-identity-sa')
  const manifest = example('secret-sync', {
    USER_ASSIGNED_CLIENT_ID: identity.clientId,
    IDENTITY_TENANT: vault.properties.tenantId,
    KEYVAULT_NAME: 'shop-vault',
  })
  const objects = parseAllDocuments(manifest).map((document) => document.toJS() as UntypedObject)
  // The lab has no Gateway API; what the Gateway names is checked below.
  const gateway = objects.find(({ kind }) => kind === 'Gateway')
  await kubectl.apply(
    objects
      .filter((object) => object !== gateway)
      .map((object) => stringify(object))
      .join('---\n'),
  )
  const names = objects.filter(({ kind }) => kind === 'SecretSync').map(({ metadata }) => metadata.name ?? '')
  assert.deepEqual(names, ['shop-database', 'shop-registry', 'shop-tls', 'shop-web'])
  for (const name of names) {
    await eventually(async () => {
      const ready = '{.status.conditions[?(@.type=="Ready")]}'
      const condition = await kubectl('get', 'secretsync', name, '-o', `jsonpath=${ready}`)
      assert.match(condition, /"status":"True"/)
    })
  }

  const secretOf = async (name: string) => {
    const secret = JSON.parse(await kubectl('get', 'secret', name, '-o', 'json')) as SecretJson
    const data = Object.entries(secret.data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString('utf8')])
    return { type: secret.type, data: Object.fromEntries(data) as Record<string, string> }
  }
  assert.deepEqual(await secretOf('shop-database'), { type: 'Opaque', data: { password: 'planted-password' } })
  const dockerConfig = { '.dockerconfigjson': registry }
  assert.deepEqual(await secretOf('shop-registry'), { type: 'kubernetes.io/dockerconfigjson', data: dockerConfig })
  const tls = await secretOf('shop-tls')
  assert.equal(tls.type, 'kubernetes.io/tls')
  const web = (await secretOf('shop-web')).data
  assert.deepEqual([web['cert.pem'], web['key.pem']], [tls.data['tls.crt'], tls.data['tls.key']])
  assert.match(web['cert.pem'] ?? '', /^-----BEGIN CERTIFICATE-----/)
  assert.match(web['key.pem'] ?? '', /^-----BEGIN RSA PRIVATE KEY-----/)
  assert.match(JSON.stringify(gateway), /"certificateRefs":\[\{"name":"shop-tls"\}\]/)

  await t.test('a new value in the vault reaches the Secret', async () => {
    await az('keyvault secret set --vault-name shop-vault -n database-password --value', 'second')
    await eventually(async () => assert.equal((await secretOf('shop-database')).data.password, 'second'))
  })

  await t.test('the controller stays after down and up without the option', async () => {
    await home.keymount('down')
    await home.up()
    await az('keyvault secret set --vault-name shop-vault -n database-password --value', 'third')
    await eventually(async () => assert.equal((await secretOf('shop-database')).data.password, 'third'))
  })
})

interface SecretJson {
  type: string
  data: Record<string, string>
}

const policy = {
  issuerParameters: { name: 'Self' },
  keyProperties: { exportable: true, keySize: 2048, keyType: 'RSA', reuseKey: false },
  secretProperties: { contentType: 'application/x-pem-file' },
  x509CertificateProperties: { subject: 'CN=shop.example.com', validityInMonths: 12 },
}

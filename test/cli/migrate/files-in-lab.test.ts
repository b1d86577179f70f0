/** What the provider gives for classes of `--strategy both`: the files are the values of the old Secrets, byte for byte. */

import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { stringify } from 'yaml'
import type { SecretProviderClass } from '#kubernetes/client'
import { sleep } from '#lib'
import { type ProviderLab, startProviderLab } from '../../support/provider-lab.ts'
import { type ConvertTextOptions, convertText, dataOf, only } from './convert-text.ts'

const vault = 'shop-vault'

/** The files of the only class, and the keys of the only SecretSync with the files that they come from. */
async function mountConverted(lab: ProviderLab, text: string, options: ConvertTextOptions) {
  const result = convertText(text, { strategy: 'both', serviceAccount: 'app', ...options })
  assert.deepEqual(result.errors, [])
  const { spec } = only<SecretProviderClass>(result, 'SecretProviderClass')
  const provider = await lab.startProvider()
  const { files } = await provider.mount(await lab.request(spec?.parameters ?? {}))
  const byPath = new Map(files.map(({ path, contents }) => [path, Buffer.from(contents).toString('latin1')]))
  // In the Secret and in the volume each key is the file of its name.
  assert.deepEqual(dataOf(result).toSorted(), [...byPath.keys()].map((path) => `${path}=${path}`).toSorted())
  return Object.fromEntries(byPath)
}

function akvs(object: object, output: object) {
  const metadata = { name: 'one', namespace: 'default' }
  const spec = { vault: { name: vault, object }, output }
  return stringify({ apiVersion: 'spv.no/v1', kind: 'AzureKeyVaultSecret', metadata, spec })
}

async function startLab(t: Parameters<typeof startProviderLab>[0]) {
  const lab = await startProviderLab(t)
  const { clientId } = await lab.createReadableVault(vault)
  const options = { clientId, tenantId: lab.azure.administrator.tenantId }
  return { lab, options, set: (name: string, value: string) => lab.azure.setSecret(vault, name, value) }
}

test('akv2k8s: a secret, members, transformations', async (t) => {
  const { lab, options, set } = await startLab(t)
  await set('plain', ' p4ss\n')
  await set('members', '{"user":"u","pass.word":"p"}')
  await set('coded', Buffer.from('  inner \n').toString('base64'))
  const secret = { secret: { name: 'one', dataKey: 'password' } }
  const mounted = (object: object, output: object, keys = {}) =>
    mountConverted(lab, akvs(object, output), { ...options, keys })
  assert.deepEqual(await mounted({ name: 'plain', type: 'secret' }, secret), { password: ' p4ss\n' })
  const trim = { ...secret, transform: ['trim'] }
  assert.deepEqual(await mounted({ name: 'plain', type: 'secret' }, trim), { password: 'p4ss' })
  const decode = { ...secret, transform: ['base64decode'] }
  assert.deepEqual(await mounted({ name: 'coded', type: 'secret' }, decode), { password: '  inner \n' })
  const both = { ...secret, transform: ['base64decode', 'trim'] }
  assert.deepEqual(await mounted({ name: 'coded', type: 'secret' }, both), { password: 'inner' })
  const json = { name: 'members', type: 'multi-key-value-secret', contentType: 'application/x-json' }
  assert.deepEqual(await mounted(json, { secret: { name: 'one' } }, { one: ['pass.word', 'user'] }), {
    user: 'u',
    'pass.word': 'p',
  })
})

for (const contentType of ['application/x-pem-file', 'application/x-pkcs12'])
  test(`akv2k8s: a certificate that is stored as ${contentType}, with its key`, async (t) => {
    const { lab, options } = await startLab(t)
    await lab.vault(vault, 'POST', '/certificates/web/create', {
      policy: {
        key_props: { exportable: true, kty: 'RSA', key_size: 2048 },
        secret_props: { contentType },
        x509_props: { subject: 'CN=web' },
        issuer: { name: 'Self' },
      },
    })
    for (let i = 0; i < 100; i++) {
      const { status } = await lab.vault(vault, 'GET', '/certificates/web/pending')
      if (status === 'completed') break
      await sleep(20)
    }
    const output = { secret: { name: 'one', type: 'kubernetes.io/tls' } }
    const files = await mountConverted(lab, akvs({ name: 'web', type: 'certificate' }, output), options)
    const { cer } = await lab.vault(vault, 'GET', '/certificates/web')
    const certificate = new X509Certificate(files['tls.crt'] ?? '')
    assert.equal(certificate.raw.toString('base64'), cer)
    assert.ok(certificate.checkPrivateKey(createPrivateKey(files['tls.key'] ?? '')))
  })

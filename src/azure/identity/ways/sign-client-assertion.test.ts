import assert from 'node:assert/strict'
import { createPublicKey, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { SecretValue, systemClock } from '#lib'
import { inlineTasks, TaskError, type TaskRunner } from '#lib/worker'
import { createOpenssl } from '../../../../test/support/openssl.ts'
import { type ClientCertificate, signClientAssertion } from './sign-client-assertion.ts'

const audience = 'https://login.microsoftonline.com/t/oauth2/v2.0/token'
const options = { owner: 'default', audience, clock: systemClock, tasks: inlineTasks() }

function credentialWith(certificate: string, password?: string): ClientCertificate {
  return {
    clientId: 'app',
    certificate: SecretValue.of(certificate),
    password: password === undefined ? undefined : SecretValue.of(password),
  }
}

test('signClientAssertion() proves the key of a certificate, from PEM, encrypted PEM or PFX with its chain', async (t) => {
  const openssl = createOpenssl(t)
  const root = openssl.certificate('root', { ca: true })
  const { key, certificate } = openssl.certificate('app', { issuer: root })
  const encrypted = openssl.run(['pkcs8', '-topk8', '-in', 'app.key', '-passout', 'pass:pw']).toString('utf8')
  const pfx = openssl.pfx({
    key,
    certificates: [root.certificate, certificate],
    args: ['-legacy', '-passout', 'pass:pw'],
  })
  for (const credential of [
    credentialWith(key + root.certificate + certificate),
    credentialWith(certificate + encrypted, 'pw'),
    credentialWith(pfx.toString('base64'), 'pw'),
  ]) {
    const assertion = (await signClientAssertion(credential, options)).revealText()
    // jose is an independent implementation of JWT.
    await compactVerify(assertion, createPublicKey(certificate))
    const claims = decodeJwt(assertion)
    assert.deepEqual([claims.iss, claims.sub, claims.aud], ['app', 'app', audience])
    const thumbprint = Buffer.from(String(decodeProtectedHeader(assertion)['x5t#S256']), 'base64url').toString('hex')
    assert.equal(thumbprint, new X509Certificate(certificate).fingerprint256.replaceAll(':', '').toLowerCase())
  }
})

test('signClientAssertion() reports what is wrong with a certificate, without quoting it', async (t) => {
  const openssl = createOpenssl(t)
  const { key } = openssl.certificate('app')
  const other = openssl.certificate('other')
  for (const [text, reason] of [
    [key, /no certificate in it belongs/],
    [key + other.certificate, /no certificate in it belongs/],
    [other.certificate, /not usable/],
    ['planted', /not usable/],
  ] as const) {
    await assert.rejects(signClientAssertion(credentialWith(text), options), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'identity-certificate-invalid')
      assert.match(error.message, reason)
      assert.doesNotMatch(error.message, /planted|BEGIN/)
      return true
    })
  }
})

test('signClientAssertion() does not blame a certificate that no thread was free to read', async () => {
  const tasks: TaskRunner = {
    run: () =>
      Promise.reject(new TaskError('task-queue-full', 'no worker thread was free within 10 s', { retryable: true })),
    stop: async () => {},
  }
  await assert.rejects(signClientAssertion(credentialWith('any'), { ...options, tasks }), {
    retryable: true,
    message:
      'clientcertificate in the nodePublishSecretRef Secret could not be read yet (no worker thread was free within 10 s); it is tried again',
  })
})

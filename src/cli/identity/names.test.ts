import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  applicationCredentialName,
  defaultApplicationName,
  defaultManagedIdentityName,
  issuerHash,
  managedCredentialName,
  subjectOf,
} from './names.ts'

const issuer = 'https://test.blob.core.windows.net/oidc-test/'

test('azwi: hashes: the issuer of the name of an application', () => {
  assert.equal(issuerHash(''), '47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU=')
  assert.equal(issuerHash(issuer), 'foWt5lYFJx_-XwBetmnSltvWY5J_nenUV-2c3Lqes3o=')
  const name = defaultApplicationName({ namespace: 'oidc', name: 'sa' }, issuer)
  assert.equal(name, 'oidc-sa-foWt5lYFJx_-XwBetmnSltvWY5J_nenUV-2c3Lqes3o=')
})

test('azwi: hashes: the name of a federated credential', () => {
  const name = (namespace: string, account: string, url: string) =>
    applicationCredentialName({ namespace, name: account }, url)
  assert.equal(name('', '', ''), '2BVrrgxCQ9N0L8Tpd02KzqvgQQJJ1yDIVfmK_Ij_hGw=')
  assert.equal(name('oidc', 'pod-identity-sa', issuer), '5Frx_q5PpeP09cXWfkbDVwCOg5IVRmmKE3BUKT4hP4I=')
})

test('azwi: hashes: the subject of a service account', () => {
  assert.equal(subjectOf({ namespace: 'oidc', name: 'sa' }), 'system:serviceaccount:oidc:sa')
})

test('names for Resource Manager follow its rule, whatever the service account is called, and are never ambiguous', () => {
  const rule = /^[a-zA-Z0-9][a-zA-Z0-9-_]{2,119}$/
  for (const name of ['sa', 'with.dots.in.it', 'x'.repeat(253)]) {
    assert.match(managedCredentialName({ namespace: 'shop', name }, issuer), rule)
    assert.match(defaultManagedIdentityName({ namespace: 'shop', name }, issuer), /^[a-zA-Z0-9][a-zA-Z0-9-_]{2,127}$/)
  }
  const one = managedCredentialName({ namespace: 'a-b', name: 'c' }, issuer)
  assert.notEqual(one, managedCredentialName({ namespace: 'a', name: 'b-c' }, issuer))
})

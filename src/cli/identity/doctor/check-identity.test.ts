import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AzureIdentity } from './azure-facts.ts'
import { checkIdentity, type IdentityFacts } from './check-identity.ts'
import { checkIssuer, type Fetched, type IssuerFacts } from './check-issuer.ts'

const issuer = 'https://issuer.example/cluster/'
const subject = 'system:serviceaccount:shop:orders'
const audiences = ['api://AzureADTokenExchange']
const right = { id: 'one', name: 'one', issuer, subject, audiences }

const application: AzureIdentity = {
  kind: 'application',
  name: 'orders',
  clientId: 'client',
  principalId: 'principal',
  credentials: [right],
  az: { group: ['ad', 'app'], identity: ['--id', 'client'], credential: '--federated-credential-id' },
}

/** The findings where everything is right, with one change. */
function check(change: Partial<IdentityFacts> = {}, identity: Partial<AzureIdentity> = {}) {
  return checkIdentity({
    clientId: 'client',
    tenantId: 'tenant',
    account: { namespace: 'shop', name: 'orders' },
    isAnnotated: false,
    owner: { kind: 'Deployment', name: 'orders', variables: [] },
    issuer: { value: issuer },
    identity: { value: { ...application, ...identity } },
    ownTenant: { value: 'tenant' },
    signIn: { kind: 'accepted' },
    ...change,
  })
}

const statuses = (findings: ReturnType<typeof check>) => findings.map((one) => `${one.check} ${one.status}`)
const find = (findings: ReturnType<typeof check>, name: string) => findings.find((one) => one.check === name)

test('an identity that lets the service account in', () => {
  assert.deepEqual(statuses(check()), ['tenant ok', 'identity ok', 'federation ok', 'sign-in ok'])
})

test('a federated credential of an application is made, and changed, with az ad app', () => {
  const none = find(check({}, { credentials: [] }), 'federation')
  assert.match(
    none?.fix?.[0] ?? '',
    /^az ad app federated-credential create --id client --parameters '\{"name":"shop-orders-/,
  )
  const near = find(check({}, { credentials: [{ ...right, issuer: issuer.slice(0, -1) }] }), 'federation')
  assert.match(near?.text ?? '', /the slash at its end is missing/)
  assert.match(
    near?.fix?.[0] ?? '',
    /update --id client --federated-credential-id one --parameters '\{"issuer":"https:\/\/issuer\.example\/cluster\/"/,
  )
})

test('a credential of another service account is never changed, and none is made that the author did not ask for', () => {
  const other = { ...right, subject: 'system:serviceaccount:shop:carts' }
  const found = find(check({}, { credentials: [other] }), 'federation')
  assert.match(found?.text ?? '', /it trusts system:serviceaccount:shop:carts of this cluster/)
  const spec = { template: { spec: { serviceAccountName: 'carts' } } }
  assert.deepEqual(found?.fix, [
    `kubectl patch deployment orders --namespace shop --type merge --patch '${JSON.stringify({ spec })}'`,
  ])
  const elsewhere = find(check({}, { credentials: [{ ...right, subject: 'system:serviceaccount:a:b' }] }), 'federation')
  assert.deepEqual(elsewhere?.fix, ['az ad app federated-credential list --id client --output table'])
  const asked = find(check({ isAnnotated: true }, { credentials: [other] }), 'federation')
  assert.match(asked?.fix?.[0] ?? '', /^az ad app federated-credential create/)
})

test('the service account "default" gets no credential: all pods without one of their own would have the identity', () => {
  const account = { namespace: 'shop', name: 'default' }
  const found = find(check({ account }, { credentials: [] }), 'federation')
  assert.match(found?.text ?? '', /run the pod as a service account of its own/)
  assert.deepEqual(found?.fix, [])
})

test('a credential of the same service account in another cluster stays, and one for this cluster is made', () => {
  const found = find(check({}, { credentials: [{ ...right, issuer: 'https://other.example/' }] }), 'federation')
  assert.match(found?.text ?? '', /one is for the same service account of issuer https:\/\/other\.example\//)
  assert.match(found?.fix?.[0] ?? '', /^az ad app federated-credential create/)
})

test('with twenty federated credentials there is no room, and the doctor deletes none', () => {
  const credentials = Array.from({ length: 20 }, (_, i) => ({ ...right, id: `${i}`, subject: `other-${i}` }))
  const full = find(check({}, { credentials }), 'federation')
  assert.match(full?.text ?? '', /none of its 20 .*more than 20 are not possible/)
  assert.deepEqual(full?.fix, ['az ad app federated-credential list --id client --output table'])
})

test('an application without a service principal cannot sign in', () => {
  const { principalId: _, ...rest } = application
  const found = find(check({ identity: { value: { ...rest, principalId: undefined } } }), 'identity')
  assert.equal(found?.status, 'problem')
  assert.deepEqual(found?.fix, ['az ad sp create --id client'])
})

test('an identity that is not there is wrong in our tenant, and not known in another', () => {
  const missing = { identity: { value: undefined } }
  assert.equal(find(check(missing), 'identity')?.status, 'problem')
  const elsewhere = check({ ...missing, ownTenant: { value: 'mine' } })
  assert.deepEqual(statuses(elsewhere), ['tenant note', 'identity unknown', 'sign-in ok'])
})

test('what Entra refuses is wrong, what could not be tried is not known', () => {
  assert.match(
    find(check({ signIn: { kind: 'refused', code: 'entra-rejected', words: 'AADSTS1' } }), 'sign-in')?.text ?? '',
    /: AADSTS1$/,
  )
  assert.equal(find(check({ signIn: { kind: 'unknown', why: 'no network' } }), 'sign-in')?.status, 'unknown')
})

const published: Fetched = { issuer, keys: [{ kid: 'k', kty: 'RSA' }], privateCa: false }

function checkKeys(change: Partial<Fetched> = {}, facts: Partial<IssuerFacts> = {}) {
  const discovery = { value: { ...published, ...change } }
  return checkIssuer({ issuer: { value: issuer }, keyId: 'k', discovery, signIns: [], ...facts })
}

test('an issuer whose documents are right', () => {
  assert.deepEqual(statuses(checkKeys()), ['issuer ok', 'keys ok'])
})

test('the document must name the issuer to the last slash', () => {
  const found = find(checkKeys({ issuer: issuer.slice(0, -1) }), 'discovery')
  assert.match(found?.text ?? '', /to the last slash/)
})

test('keys: outdated after a key rotation, of a type that Entra does not accept, and too many', () => {
  const old = find(checkKeys({}, { keyId: 'new' }), 'keys')
  assert.match(old?.text ?? '', /the key of current tokens \(new\) is not among the 1/)
  assert.match(old?.fix?.[0] ?? '', /^keymount identity jwks --from-cluster/)
  assert.match(find(checkKeys({ keys: [{ kid: 'k', kty: 'EC' }] }), 'keys')?.text ?? '', /Entra accepts RSA/)
  const many = Array.from({ length: 101 }, (_, i) => ({ kid: `${i}` }))
  assert.match(find(checkKeys({ keys: many }), 'keys')?.text ?? '', /101 keys are published, and Entra reads 100/)
})

test('an issuer that cannot be read is wrong, unless Entra takes its tokens', () => {
  const discovery = { why: 'GET … answers 401' }
  assert.equal(find(checkKeys({}, { discovery }), 'issuer')?.status, 'problem')
  assert.equal(find(checkKeys({}, { discovery, signIns: [{ kind: 'accepted' }] }), 'issuer')?.status, 'note')
})

test('a certificate of the cluster’s own CA is wrong once Entra reports that it could not fetch the documents', () => {
  const status = (signIns: IssuerFacts['signIns']) =>
    find(checkKeys({ privateCa: true }, { signIns }), 'certificate')?.status
  assert.equal(status([]), 'note')
  assert.equal(status([{ kind: 'refused', code: 'entra-rejected', words: 'AADSTS700211: No matching' }]), 'note')
  assert.equal(
    status([
      { kind: 'refused', code: 'entra-rejected', words: 'AADSTS50166: Request to External OIDC endpoint failed.' },
    ]),
    'problem',
  )
})

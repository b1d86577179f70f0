import assert from 'node:assert/strict'
import { test } from 'node:test'
import { entraError } from './entra-error.ts'
import type { Who } from './who.ts'

const workload: Who = {
  description: 'workload identity: client the-client',
  sdkName: 'ClientAssertionCredential',
  tenantId: 'the-tenant',
  clientId: 'the-client',
  claims: {
    issuer: 'https://issuer',
    subject: 'system:serviceaccount:ns:sa',
    audiences: ['api://AzureADTokenExchange'],
    expiresAt: 0,
  },
}
const application: Who = { ...workload, sdkName: 'ClientSecretCredential', claims: undefined }

function refusal(who: Who, number: number, status = 400) {
  const text = `AADSTS${number}: It was refused. Trace ID: 12 Correlation ID: 34 Timestamp: 2026-01-01 00:00:00Z`
  const body = Buffer.from(JSON.stringify({ error: 'x', error_description: text, error_codes: [number] }))
  return entraError(who, 'https://login.example', { status, headers: {}, body })
}

test('every AADSTS number that users meet has a code, what was presented and what is expected', () => {
  for (const [number, code, ...words] of [
    [50013, 'entra-assertion-invalid'],
    [70021, 'entra-no-federated-credential', 'exactly issuer "https://issuer", subject "system:serviceaccount:ns:sa"'],
    [70025, 'entra-no-federated-credential', 'az identity federated-credential create'],
    [90002, 'entra-tenant-not-found', 'tenantID: found "the-tenant"'],
    [90061, 'entra-issuer-unreachable', 'reachable from the internet'],
    [500011, 'entra-resource-unknown', 'cloudName'],
    [700016, 'entra-app-not-found', 'clientID: found "the-client"', 'not the object id'],
    [700024, 'entra-assertion-expired', 'clock'],
    [700211, 'entra-issuer-mismatch', 'exactly issuer "https://issuer"'],
    [700212, 'entra-audience-mismatch', 'audience "api://AzureADTokenExchange"'],
    [700213, 'entra-subject-mismatch', 'subject "system:serviceaccount:ns:sa"'],
    [7002138, 'entra-subject-case-mismatch', 'compared with their case'],
    [12345, 'entra-rejected', 'AADSTS12345'],
  ] as const) {
    const error = refusal(workload, number)
    assert.equal(error.code, code, String(number))
    assert.equal(error.retryable, false)
    for (const word of ['ClientAssertionCredential authentication failed', ...words]) {
      assert.ok(error.message.includes(word), `${word} in ${error.message}`)
    }
    assert.doesNotMatch(error.message, /Trace ID|Timestamp/)
  }
  for (const [number, code] of [
    [7000215, 'entra-client-secret-wrong'],
    [7000222, 'entra-client-secret-expired'],
    [700027, 'entra-certificate-unknown'],
    [7000112, 'entra-app-not-found'],
  ] as const) {
    assert.equal(refusal(application, number).code, code)
  }
})

test('a busy or broken Entra is a retryable error, whatever its answer is', () => {
  for (const [status, code] of [
    [429, 'entra-throttled'],
    [503, 'entra-unreachable'],
  ] as const) {
    const error = refusal(workload, 700016, status)
    assert.deepEqual([error.code, error.retryable], [code, true])
  }
  const body = Buffer.from('<html>')
  assert.match(entraError(workload, 'https://login.example', { status: 400, headers: {}, body }).message, /HTTP 400/)
})

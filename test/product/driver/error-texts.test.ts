import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ServiceError } from '@grpc/grpc-js'
import { Code } from '#kubernetes/grpc'
import { startDriver, type TestDriver } from '../../support/driver.ts'
import { ProviderFault } from '../../support/fake-provider.ts'

/** A driver whose provider fails every mount. */
async function startFailing(t: TestContext, code: Code, text: string): Promise<TestDriver> {
  const driver = await startDriver(t)
  driver.provider.answer = () => {
    throw new ProviderFault(code, text)
  }
  return driver
}

/** What kubelet writes into the event of the pod, behind its own words. */
async function failure(
  driver: TestDriver,
  className: string,
  provider = 'e2e-provider',
  parameters = { objects: 'array: []' },
) {
  if (provider !== '') await driver.createClass(className, { provider, parameters }).catch(() => undefined)
  const pod = await driver.pod({ className })
  const error = await driver.publish(pod.request).then(
    () => assert.fail('it was mounted'),
    (thrown: ServiceError) => thrown,
  )
  return error.details
}

test('an error with a code comes first in the event, and the words of upstream, by which logs are searched, last', async (t) => {
  const driver = await startFailing(
    t,
    Code.PERMISSION_DENIED,
    'failed to mount objects, error: [vault-forbidden] failed to get a: no',
  )
  assert.match(
    await failure(driver, 'web'),
    /^\[vault-forbidden\] failed to get a: no; failed to mount secrets store objects for pod default\/\S+, err: failed to mount objects, error: \[vault-forbidden\]$/,
  )
})

test('an error without a code, of another provider, is in the words of upstream', async (t) => {
  const driver = await startFailing(t, Code.UNKNOWN, 'failed to mount objects, error: VaultSealed')
  assert.match(
    await failure(driver, 'web'),
    /^failed to mount secrets store objects for pod default\/\S+, err: failed to mount objects, error: VaultSealed$/,
  )
})

test('what a provider answers as DeadlineExceeded is its own reason, not that it gave no answer', async (t) => {
  const driver = await startFailing(
    t,
    Code.DEADLINE_EXCEEDED,
    'failed to mount objects, error: [vault-timeout] vault "a": no answer',
  )
  assert.match(await failure(driver, 'web'), /^\[vault-timeout\] vault "a": no answer; /)
})

test('what the driver finds itself begins with a code of docs/errors.md', async (t) => {
  const driver = await startDriver(t)
  for (const [code, details] of [
    ['provider-not-found', await failure(driver, 'other', 'absent')],
    ['provider-name-invalid', await failure(driver, 'odd', '../azure')],
    ['class-not-found', await failure(driver, 'missing', '')],
    ['provider-answer-empty', await failure(driver, 'empty')],
  ] as const) {
    assert.ok(details.startsWith(`[${code}] `), `${code}: ${details}`)
  }
  assert.match(await failure(driver, 'other', 'absent'), /; on this node: e2e-provider; /)
  await driver.provider.stop()
  assert.match(await failure(driver, 'late'), /^\[provider-(unavailable|not-found)\] /)
})

test('a class that does not exist is reported with one of the namespace whose name is similar', async (t) => {
  const driver = await startDriver(t)
  await driver.createClass('orders-db', { provider: 'e2e-provider', parameters: { objects: '' } })
  assert.match(
    await failure(driver, 'order-db', ''),
    /^\[class-not-found\] failed to get secretproviderclass default\/order-db, error: .*not found; did you mean orders-db\?$/,
  )
  assert.match(
    await failure(driver, 'something-else', ''),
    /not found; a pod can only use a class of its own namespace: /,
  )
})

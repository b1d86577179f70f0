import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMountHelpers, HelperUnavailable } from './mount-helpers.ts'

test('without xargs, and with one that ends at once, the caller hears that there is no helper', async () => {
  for (const program of ['xargs-that-does-not-exist', 'false']) {
    const helpers = createMountHelpers({ program })
    for (let i = 0; i < 3; i++) await assert.rejects(helpers.unmount('/nowhere'), HelperUnavailable)
  }
})

test('what umount refuses is an error with its words, one for each command', async () => {
  const helpers = createMountHelpers()
  const refused = await Promise.allSettled(['/a b', '/c'].map((target) => helpers.unmount(target)))
  assert.deepEqual(
    refused.map((result) =>
      result.status === 'rejected' ? /^umount: (\/[a-c ]+): /.exec(result.reason.message)?.[1] : '',
    ),
    ['/a b', '/c'],
  )
  await assert.rejects(helpers.unmount('/a\n/b'), HelperUnavailable)
})

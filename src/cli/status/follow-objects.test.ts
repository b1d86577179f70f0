import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type KubeClient, KubeError, type Resource } from '#kubernetes/client'
import { followObjects } from './follow-objects.ts'

test('a source that was refused stays missing until it has listed, not only until it answers', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const server = { refuses: true, listing: Promise.withResolvers<void>() }
  const kube = {
    async raw({ path }: { path: string }) {
      if (server.refuses && path.includes('/nodes')) throw new KubeError('refused', { status: 403 })
      return '{}'
    },
    async list({ plural }: Resource) {
      if (plural === 'nodes') await server.listing.promise
      return { items: [], resourceVersion: '1' }
    },
    async *watch(_: Resource, { signal }: { signal: AbortSignal }) {
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    },
  } as unknown as KubeClient
  const followed = followObjects(kube, { namespace: undefined, views: ['nodes'] })
  t.after(() => {
    server.listing.resolve()
    return followed.stop()
  })
  await followed.ready
  const [noun = ''] = followed.missingFor('nodes')
  assert.match(noun, /node/)

  server.refuses = false
  t.mock.timers.tick(30_000)
  await setImmediate()
  assert.deepEqual(followed.missingFor('nodes'), [noun])

  server.listing.resolve()
  await setImmediate()
  assert.deepEqual(followed.missingFor('nodes'), [])
})

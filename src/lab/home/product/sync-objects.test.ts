import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { syncObjects } from './sync-objects.ts'

const packageRoot = join(import.meta.dirname, '../../../..')
const ports = {
  ...{ driverMetrics: 1, driverHealth: 2, providerMetrics: 3, providerHealth: 4 },
  ...{ webhook: 5, webhookHealth: 6 },
}

test('on a shared machine no container of the controller of SecretSyncs listens on a port', () => {
  const containers = (shared: Parameters<typeof syncObjects>[1]['shared']) =>
    syncObjects(packageRoot, { shared })
      .filter(({ kind }) => kind === 'Deployment')
      .flatMap((deployment) => JSON.stringify(deployment).match(/"--[\w-]*(?:port|address)=[^"]*\d{4,5}"/g) ?? [])
  assert.notDeepEqual(containers(undefined), [], 'elsewhere they do')
  assert.deepEqual(containers({ providersDirectory: '/p', ports }), [])
})

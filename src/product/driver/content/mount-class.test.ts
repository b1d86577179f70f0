import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { SecretProviderClass } from '#kubernetes/client'
import { Code } from '#kubernetes/grpc'
import { isReserved, parseClass } from './mount-class.ts'

const classOf = (parameters: Record<string, string>, provider = 'azure'): SecretProviderClass => ({
  apiVersion: 'secrets-store.csi.x-k8s.io/v1',
  kind: 'SecretProviderClass',
  metadata: { name: 'web', namespace: 'default' },
  spec: { provider, parameters },
})

const kubelet = {
  secretProviderClass: 'web',
  'csi.storage.k8s.io/pod.name': 'web-0',
  'csi.storage.k8s.io/pod.namespace': 'default',
  'csi.storage.k8s.io/pod.uid': 'uid',
  'csi.storage.k8s.io/serviceAccount.name': 'app',
  'csi.storage.k8s.io/ephemeral': 'true',
}

const name = fc.oneof(
  fc.constantFrom(
    ...Object.keys(kubelet),
    'csi.storage.k8s.io/serviceAccount.tokens',
    'csi.storage.k8s.io/x',
    '__proto__',
  ),
  fc.string({ minLength: 1 }),
)

for (const attributesWin of [true, false]) {
  test(`whatever a class sets, the provider gets kubelet's pod (volume-attributes-win=${attributesWin})`, () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, fc.string()), { minLength: 1, maxLength: 8 }), (entries) => {
        const parameters = Object.fromEntries([...entries, ['objects', '']])
        delete parameters.syncInterval
        delete parameters.fileOwner
        const { attributes, reserved } = parseClass(classOf(parameters), kubelet, { attributesWin })
        const sent = Object.entries(attributes).filter(([key]) => isReserved(key))
        assert.deepEqual(Object.fromEntries(sent), kubelet)
        assert.deepEqual(reserved, Object.keys(parameters).filter(isReserved))
        for (const key of Object.keys(parameters)) assert.ok(isReserved(key) || Object.hasOwn(attributes, key), key)
      }),
    )
  })
}

test('of equal names the volume’s attribute wins, unless the driver is configured otherwise', () => {
  const [object, context] = [classOf({ shared: 'class' }), { ...kubelet, shared: 'volume' }]
  assert.equal(parseClass(object, context, { attributesWin: true }).attributes.shared, 'volume')
  assert.equal(parseClass(object, context, { attributesWin: false }).attributes.shared, 'class')
})

test('a class that cannot be mounted is refused with the field, what was found and what would be right', () => {
  const refused: [SecretProviderClass, RegExp][] = [
    [classOf({ a: 'b' }, ''), /SecretProviderClass default\/web: spec\.provider is missing/],
    [classOf({}), /spec\.parameters is missing/],
    [classOf({ syncInterval: '10ms' }), /parameters\.syncInterval: found "10ms", expected a duration of 1s or more/],
    [classOf({ syncInterval: 'often' }), /parameters\.syncInterval: found "often"/],
    [classOf({ fileOwner: 'app' }), /parameters\.fileOwner: found "app", expected "<user id>"/],
  ]
  for (const [object, message] of refused)
    assert.throws(() => parseClass(object, kubelet, { attributesWin: true }), { code: Code.UNKNOWN, message })
})

test('the interval of a class is in milliseconds, and its owner in ids; fileOwner is not sent to the provider', () => {
  const parsed = parseClass(classOf({ syncInterval: '5m', fileOwner: '1000:2000' }), kubelet, { attributesWin: true })
  assert.equal(parsed.intervalMs, 300_000)
  assert.deepEqual(parsed.owner, { userId: 1000, groupId: 2000 })
  assert.equal('fileOwner' in parsed.attributes, false)
})

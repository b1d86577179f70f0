import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProblemsError } from '#lib'
import { driverFlags } from '#product/driver'
import { providerFlags } from '#product/provider'
import { configOf } from '../../../test/support/config-of.ts'
import { nodeProgram, remarksOn } from './config.ts'

const nodeConfig = (argv: readonly string[], env: Record<string, string>) => configOf(nodeProgram, argv, env)

const good = ['--nodeid=n1', '--endpoint=unix:///csi/csi.sock', '--provider-endpoint=unix:///providers/azure.sock']

test('each daemon gets the flags that are its own', () => {
  const { driver, provider } = nodeConfig(
    [...good, '--health-addr=:19808', '--healthz-port=18989', '--metrics-addr=:18095', '--prometheus-port=18898'],
    {},
  )
  assert.deepEqual(driver.endpoint, { kind: 'unix', path: '/csi/csi.sock' })
  assert.deepEqual(provider.endpoint, { kind: 'unix', path: '/providers/azure.sock' })
  assert.equal(driver.healthAddress?.port, 19_808)
  assert.equal(driver.metricsAddress?.port, 18_095)
  assert.equal(provider.healthAddress?.port, 18_989)
  assert.equal(provider.metricsAddress?.port, 18_898)
})

test('addresses of the provider have names of their own, in problems too', () => {
  const { driver, provider } = nodeConfig(
    [...good, '--provider-metrics-addr=127.0.0.1:1', '--provider-health-addr=0'],
    {},
  )
  assert.deepEqual(provider.metricsAddress, { host: '127.0.0.1', port: 1 })
  assert.equal(provider.healthAddress, undefined)
  assert.deepEqual(driver.metricsAddress, { host: undefined, port: 8095 })
  assert.throws(() => nodeConfig([...good, '--provider-metrics-addr=x'], {}), /--provider-metrics-addr: found "x"/)
})

test('what is not given is each daemon’s own default', () => {
  const { driver, provider } = nodeConfig(good, {})
  assert.equal(driver.healthAddress?.port, 9808)
  assert.equal(driver.rotationIntervalMs, 120_000)
  assert.equal(provider.healthAddress?.port, 8989)
  assert.equal(provider.readShareMs, 5000)
})

test('a flag that both have is for both', () => {
  const { driver, provider } = nodeConfig([...good, '-v=5'], {})
  assert.equal(driver.logLevel, 'trace')
  assert.equal(provider.logLevel, 'debug')
})

test('every flag that both have means the same for both, or has an exception of its own', () => {
  const different = Object.keys(driverFlags)
    .filter((name) => name in providerFlags)
    .filter((name) => {
      const [a, b] = [driverFlags[name as 'v'], providerFlags[name as 'v']]
      return a.type !== b.type || String(a.default) !== String(b.default)
    })
  assert.deepEqual(different.toSorted(), ['endpoint', 'health-addr', 'healthz-port', 'metrics-addr'])
})

test('the problems of both are reported at once, under the names that were given', () => {
  const wrong = ['--endpoint=x', '--provider-endpoint=y', '--cloud-name=Mars', '--metrics-backend=foo']
  assert.throws(
    () => nodeConfig(wrong, {}),
    (error) => {
      assert.ok(error instanceof ProblemsError)
      assert.deepEqual(
        error.problems.map(({ path }) => path),
        ['--endpoint', '--provider-endpoint', '--metrics-backend', '--nodeid', '--cloud-name'],
      )
      return true
    },
  )
})

test('a flag that neither has is refused', () => {
  assert.throws(() => nodeConfig([...good, '--nodeidd=a'], {}), /--nodeidd: unknown flag \(did you mean --nodeid\?\)/)
})

test('values for an outage that are older than they may be get a remark', () => {
  const remarks = (...flags: string[]) => remarksOn(nodeConfig([...good, ...flags], {}))
  assert.deepEqual(remarks(), [])
  assert.deepEqual(remarks('--serve-stale-for=24h', '--enable-secret-rotation'), [])
  assert.deepEqual(remarks('--serve-stale-for=5m', '--enable-secret-rotation', '--rotation-poll-interval=1h'), [
    '--serve-stale-for=5m: what this node holds is usually too old when an outage begins, because values are read every 1h (--rotation-poll-interval): set it to more than 1h',
  ])
})

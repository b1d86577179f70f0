import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../../../test/support/config-of.ts'
import { driverProgram } from './config.ts'

const driverConfig = (argv: readonly string[]) => configOf(driverProgram, argv)

test('driverConfig() has upstream’s defaults', () => {
  const config = driverConfig(['--nodeid=n'])
  assert.deepEqual(config.endpoint, { kind: 'unix', path: '/tmp/csi.sock' })
  assert.equal(config.driverName, 'secrets-store.csi.k8s.io')
  assert.deepEqual(config.providerDirectories, [
    '/etc/kubernetes/secrets-store-csi-providers',
    '/var/run/secrets-store-csi-providers',
  ])
  assert.deepEqual(config.metricsAddress, { host: undefined, port: 8095 })
  assert.deepEqual(config.healthAddress, { host: undefined, port: 9808 })
  assert.equal(config.rotation, false)
  assert.equal(config.rotationIntervalMs, 120_000)
  assert.equal(config.maxReceiveBytes, 4_194_304)
  assert.equal(config.volumeSizeBytes, 64 * 1024 * 1024)
  assert.equal(config.registration?.kubeletPath, '/var/lib/kubelet/plugins/csi-secrets-store/csi.sock')
})

test('driverConfig() takes every flag of upstream’s manifests', () => {
  const config = driverConfig(
    (
      '--endpoint=unix:///csi/csi.sock --log-format-json=true -v=5 --nodeid n --provider-volume=/p ' +
      '--additional-provider-volume-paths=/a,/b --metrics-addr=:1 --metrics-backend=prometheus --enable-secret-rotation=true ' +
      '--rotation-poll-interval=30s --enable-pprof=false --pprof-port=6065 --max-call-recv-msg-size=1 --provider-health-check=true ' +
      '--provider-health-check-interval=1m --filtered-watch-secret=false --grpc-supported-providers=azure --drivername=x.y ' +
      '--logtostderr --vmodule=a=1 --stderrthreshold 2 --kubeconfig=/k'
    ).split(' '),
  )
  assert.deepEqual(config.providerDirectories, ['/a', '/b', '/p'])
  assert.equal(config.rotation, true)
  assert.equal(config.rotationIntervalMs, 30_000)
  assert.equal(config.providerHealthCheckMs, 60_000)
  assert.equal(config.logLevel, 'trace')
})

test('driverConfig() switches servers off by an empty address or 0', () => {
  const config = driverConfig(['--nodeid=n', '--metrics-addr=0', '--health-addr='])
  assert.equal(config.metricsAddress, undefined)
  assert.equal(config.healthAddress, undefined)
})

test('driverConfig() names everything that is wrong', () => {
  const wrong = [
    '--endpoint=/csi.sock',
    '--metrics-addr=x',
    '--metrics-backend=Statsd',
    '--rotation-poll-interval=1ms',
    '--drivername=1',
  ]
  assert.throws(
    () => driverConfig(wrong),
    /--endpoint: found "\/csi.sock".*--metrics-addr.*--metrics-backend.*--rotation-poll-interval.*--nodeid: missing.*--drivername/s,
  )
  assert.throws(
    () => driverConfig(['--nodeid=n', '--rotation-pol-interval=1m']),
    /did you mean --rotation-poll-interval/,
  )
})

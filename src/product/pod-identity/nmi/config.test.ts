import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../../../../test/support/config-of.ts'
import { micProgram } from '../mic/config.ts'
import { nmiProgram } from './config.ts'

const micConfig = (argv: string[], env: Record<string, string>) => configOf(micProgram, argv, env)
const nmiConfig = (argv: string[], env: Record<string, string>) => configOf(nmiProgram, argv, env)

test('upstream’s command lines are taken as they are', () => {
  // Those of upstream's chart.
  const mic = micConfig(
    [
      '--cloudconfig=/etc/kubernetes/azure.json',
      '--logtostderr',
      '--v=0',
      '--clientQps=5',
      '--enableScaleFeatures=true',
    ],
    {},
  )
  assert.equal(mic.cloudConfigFile, '/etc/kubernetes/azure.json')
  const nmi = nmiConfig(
    ['--node=n', '--http-probe-port=8085', '--enableScaleFeatures=true', '--v=0', '--log-format=json'],
    {},
  )
  assert.deepEqual([nmi.nmi.nodeName, nmi.nmi.healthAddress.port], ['n', 8085])
})

test('namespaces are kept apart by a flag, or by the environment', () => {
  const forced = (argv: string[], env: Record<string, string>) => {
    const [mic, nmi] = [micConfig(argv, env), nmiConfig(argv, env)]
    return [mic.mic.forceNamespaced, nmi.nmi.forceNamespaced]
  }
  assert.deepEqual(forced([], {}), [false, false])
  assert.deepEqual(forced(['--forceNamespaced=true'], {}), [true, true])
  assert.deepEqual(forced([], { FORCENAMESPACED: 'true' }), [true, true])
})

test('a command line that makes no sense is refused with everything that is wrong', () => {
  assert.throws(
    () => nmiConfig(['--operation-mode=other', '--imds-endpoint=https://x/y', '--ipt-update-interval-sec=0'], {}),
    /--operation-mode: found "other".*--ipt-update-interval-sec.*--imds-endpoint: found "https:\/\/x\/y"/,
  )
  assert.throws(() => nmiConfig(['--operation-mode=managed'], {}), /managed needs --forceNamespaced/)
  assert.throws(() => nmiConfig(['--nmiport=1'], {}), /--nmiport: unknown flag \(did you mean --nmi-port\?\)/)
  assert.throws(
    () => micConfig(['--createDeleteBatch=0', '--leader-election-duration=1ms'], {}),
    /createDeleteBatch.*leader-election-duration/,
  )
})

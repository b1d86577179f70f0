import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../../../test/support/config-of.ts'
import { localClusterProgram } from './config.ts'

test('the flags become a configuration, with defaults', () => {
  const config = configOf(localClusterProgram, [
    '--state',
    '/s',
    '--image',
    'app=/rootfs',
    '--image=other:1=/o',
    '--image-overlay',
    '/overlay',
    '--pod-network',
    '--sync-frequency',
    '5s',
  ])
  assert.deepEqual(config, {
    stateDir: '/s',
    listen: '127.0.0.1',
    port: 16443,
    images: new Map([
      ['app', '/rootfs'],
      ['other:1', '/o'],
    ]),
    azureControl: undefined,
    imageOverlay: '/overlay',
    podNetwork: true,
    syncFrequencyMs: 5000,
    nodeName: 'keymount-local',
    logLevel: 'info',
  })
})

test('every fault of the command line is reported at once', () => {
  const argv = ['--listen', 'localhost', '--port', '70000', '--image', 'nothing', '--log-level', 'loud']
  assert.throws(
    () => configOf(localClusterProgram, argv),
    ({ problems }: { problems: { path: string }[] }) => {
      assert.deepEqual(
        problems.map(({ path }) => path),
        ['--listen', '--port', '--log-level', '--state', '--image'],
      )
      return true
    },
  )
  assert.throws(
    () => configOf(localClusterProgram, ['--stat', '/s']),
    /--stat: unknown flag \(did you mean --state\?\)/,
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CliError } from '#terminal'
import { defaultPorts, nextState } from './lab-settings.ts'
import type { LabState } from './lab-state.ts'

const before: LabState = {
  version: 1,
  target: { kind: 'local' },
  azure: 'local',
  listen: '127.0.0.1',
  ports: { cluster: 4001, azure: 4002, imds: 4003 },
  rotationPollInterval: '5s',
  localImage: 'keymount.local/keymount:abc',
}

/** The state as its file has it: without what is undefined. */
function written(...args: Parameters<typeof nextState>): LabState {
  return JSON.parse(JSON.stringify(nextState(...args)))
}

test('without options and history, the lab is local, on the fixed ports', () => {
  const state = nextState({}, undefined)
  assert.deepEqual(state.target, { kind: 'local' })
  assert.deepEqual(state.ports, defaultPorts)
  assert.equal(state.listen, '127.0.0.1')
})

test('without options, the next lab is like the last', () => {
  assert.deepEqual(written({}, before), before)
})

test('free ports are those of the last time, since the issuer of every federated credential has one of them', () => {
  assert.deepEqual(nextState({ ports: 'free' }, before).ports, before.ports)
  assert.deepEqual(nextState({ ports: 'free' }, undefined).ports, { cluster: 0, azure: 0, imds: 0 })
  assert.deepEqual(nextState({ ports: 'fixed' }, before).ports, defaultPorts)
})

test('an option changes what it names and nothing else', () => {
  const state = written({ azurePort: 5000, rotationPollInterval: '1m' }, before)
  assert.deepEqual(state, { ...before, rotationPollInterval: '1m', ports: { ...before.ports, azure: 5000 } })
})

test('the lab stays offline until the setting is changed', () => {
  const offline = written({ offline: true }, before)
  assert.equal(offline.offline, true)
  assert.equal(written({}, offline).offline, true)
  assert.deepEqual(written({ offline: false }, offline), before)
})

test('another cluster starts from the defaults: the address and ports of the old one do not fit', () => {
  const state = written({ kubeconfig: '/k' }, before)
  assert.deepEqual(state, {
    version: 1,
    target: { kind: 'kubeconfig', path: '/k' },
    azure: 'local',
    listen: '',
    ports: defaultPorts,
  })
})

test('options for the other kind of cluster are refused', () => {
  const usage = (error: unknown) => error instanceof CliError && error.code === 'usage'
  assert.throws(() => nextState({ image: 'x' }, undefined), usage)
  assert.throws(() => nextState({ azure: 'real' }, undefined), usage)
  assert.throws(() => nextState({ kubeconfig: '/k', syncFrequency: '5s' }, undefined), usage)
})

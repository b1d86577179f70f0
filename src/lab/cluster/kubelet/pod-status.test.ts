import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerState, Pod } from '#kubernetes/client'
import { type ContainerRecord, initialRecord, podStatus } from './pod-status.ts'

const now = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } }
const running: ContainerState = { running: {} }
const good: ContainerState = { terminated: { exitCode: 0 } }
const bad: ContainerState = { terminated: { exitCode: 1 } }

const record = (state: ContainerState, lastState?: ContainerState): ContainerRecord => ({
  spec: { name: 'c', image: 'i' },
  restartCount: 0,
  imageID: '',
  started: state === running,
  ready: state === running,
  state,
  ...(lastState === undefined ? {} : { lastState }),
})

const pod = (restartPolicy: 'Always' | 'OnFailure' | 'Never', status: Pod['status'] = {}): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'p' },
  spec: { restartPolicy, containers: [] },
  status,
})

const facts = (containers: ContainerRecord[], initContainers: ContainerRecord[] = []) => ({
  initContainers,
  containers,
  prepared: true,
  nodeIP: '127.0.0.1',
  podIP: '127.0.0.1',
  now,
})

test('podStatus() gives the phase that kubelet gives', () => {
  const backOff = record({ waiting: { reason: 'CrashLoopBackOff' } }, bad)
  const cases: [policy: 'Always' | 'OnFailure' | 'Never', containers: ContainerRecord[], phase: string][] = [
    ['Always', [record(running), record(waiting)], 'Pending'],
    ['Always', [record(running), record(good)], 'Running'],
    ['Always', [record(good)], 'Running'],
    ['Always', [backOff], 'Running'],
    ['OnFailure', [record(good), record(good)], 'Succeeded'],
    ['OnFailure', [record(good), record(bad)], 'Running'],
    ['Never', [record(good), record(bad)], 'Failed'],
    ['Never', [record(good)], 'Succeeded'],
  ]
  for (const [policy, containers, phase] of cases)
    assert.equal(podStatus(pod(policy), facts(containers)).phase, phase, `${policy} ${JSON.stringify(containers)}`)
  assert.equal(podStatus(pod('Never'), facts([record(waiting)], [record(bad)])).phase, 'Failed')
  assert.equal(podStatus(pod('Always'), facts([record(waiting)], [record(bad)])).phase, 'Pending')
  assert.equal(podStatus(pod('Always'), facts([record(running)], [record(good)])).phase, 'Running')
})

test('podStatus() keeps the time of a condition that did not change', () => {
  const before = podStatus(pod('Always'), { ...facts([record(running)]), now: now - 60_000 })
  const after = podStatus(pod('Always', before), facts([record(waiting)]))
  const time = (type: string) => after.conditions?.find((condition) => condition.type === type)?.lastTransitionTime
  assert.equal(time('PodScheduled'), '2026-01-02T03:03:05Z')
  assert.equal(time('Ready'), '2026-01-02T03:04:05Z')
  assert.equal(after.startTime, '2026-01-02T03:03:05Z')
})

test('initialRecord() takes a container that ran under an earlier node agent for killed', () => {
  const status = { name: 'c', ready: true, restartCount: 2, image: 'i', imageID: 'x' }
  const { state, restartCount, ready } = initialRecord(
    { name: 'c' },
    { ...status, state: { running: { startedAt: '2026-01-01T00:00:00Z' } } },
    'ContainerCreating',
    now,
  )
  assert.equal(state.terminated?.exitCode, 137)
  assert.equal(state.terminated?.startedAt, '2026-01-01T00:00:00Z')
  assert.deepEqual([restartCount, ready], [2, false])
})

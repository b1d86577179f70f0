import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AzurePodIdentityException } from '#kubernetes/client'
import { isExcepted } from './exceptions.ts'

const exception = (podLabels: Record<string, string>, namespace = 'default'): AzurePodIdentityException => ({
  apiVersion: 'aadpodidentity.k8s.io/v1',
  kind: 'AzurePodIdentityException',
  metadata: { name: 'exception', namespace },
  spec: { podLabels },
})
const pod = (labels: Record<string, string>) => ({
  name: 'web',
  namespace: 'default',
  labels,
  serviceAccount: 'default',
  selector: undefined,
})

test('exceptions: without any, no pod is exempt', () => {
  assert.equal(isExcepted(pod({ app: 'web' }), []), false)
  assert.equal(isExcepted(pod({ app: 'web' }), [exception({})]), false)
})

test('exceptions: any one label exempts, whatever the case of its value', () => {
  assert.equal(
    isExcepted(pod({ app: 'Web', b: 'c' }), [exception({ x: 'y' }), exception({ app: 'web', z: '1' })]),
    true,
  )
})

test('exceptions: another value, another key and another namespace do not', () => {
  assert.equal(isExcepted(pod({ app: 'web' }), [exception({ app: 'shop' }), exception({ App: 'web' })]), false)
  assert.equal(isExcepted(pod({ app: 'web' }), [exception({ app: 'web' }, 'other')]), false)
})

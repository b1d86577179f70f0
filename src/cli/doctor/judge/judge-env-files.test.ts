import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Pod } from '#kubernetes/client'
import type { PodFacts } from '../pod-facts.ts'
import { judgeEnvFiles } from './judge-env-files.ts'

const fileKeyRef = { volumeName: 'keymount-env', path: 'secrets.env', key: 'DB' }

function judge(kubeletVersion: string, change: Partial<Pod> = {}) {
  const pod: Pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace: 'shop', name: 'web' },
    spec: { containers: [{ name: 'app', image: 'i', env: [{ name: 'DB', valueFrom: { fileKeyRef } }] }] },
    ...change,
  }
  const node = { name: 'n1', node: { value: { status: { nodeInfo: { kubeletVersion } } } } }
  return judgeEnvFiles({ cluster: { pod }, node } as unknown as PodFacts)
}

test('a kubelet that reads no variables from files is found, by its version', () => {
  const [found] = judge('v1.34.9')
  assert.match(JSON.stringify(found), /env-node-too-old.*kubelet of n1 is v1\.34\.9.*empty in app/)
  assert.deepEqual([judge('v1.35.0'), judge('v1.37.2+k3s1'), judge('')], [[], [], []])
  assert.deepEqual(judge('v1.30.0', { spec: { containers: [{ name: 'app', image: 'i' }] } }), [])
})

test('an init container that could not write the variables is found, by the code of its message', () => {
  const terminated = { exitCode: 1, message: 'the value of secrets/db …: it is empty [env-value-not-representable]\n' }
  const initContainerStatuses = [
    {
      name: 'keymount-env',
      ready: false,
      restartCount: 1,
      image: '',
      imageID: '',
      state: {},
      lastState: { terminated },
    },
  ]
  const found = judge('v1.37.0', { status: { initContainerStatuses } } as unknown as Partial<Pod>)
  assert.match(
    JSON.stringify(found),
    /env-value-not-representable.*init container keymount-env: the value of secrets\/db.*kubectl logs web --container keymount-env --namespace shop/,
  )
  const other = { ...terminated, message: 'exit status 1' }
  const statuses = [{ ...initContainerStatuses[0], lastState: { terminated: other } }]
  assert.deepEqual(judge('v1.37.0', { status: { initContainerStatuses: statuses } } as unknown as Partial<Pod>), [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type KubeClient, KubeError } from '#kubernetes/client'
import { applySecret } from './apply-secret.ts'
import type { SyncError } from './sync-error.ts'
import type { Wanted } from './wanted.ts'

const there = 'Delete the secret and force the controller to recreate it with the correct label.'

for (const status of [403, 422])
  test(`a policy that refuses the Secret of someone else with ${status} is reported as secret-not-ours`, async () => {
    // Two policies refuse such a Secret, each with a status of its own, and the API server reports either.
    const text = `secrets "app" is forbidden: denied request: it does not have the correct label. ${there}`
    const refused = new KubeError(text, { status, serverMessage: text })
    const kube = { apply: () => Promise.reject(refused) } as unknown as KubeClient
    const sync = { metadata: { name: 'app', namespace: 'default' }, spec: { secretObject: { data: [] } } }
    const wanted = { sync, owner: {} } as unknown as Wanted
    const content = { data: new Map(), annotations: undefined }
    await assert.rejects(applySecret(kube, wanted, content, new AbortController().signal), (error: SyncError) => {
      assert.match(error.message, /\[secret-not-ours\]$/)
      assert.equal(error.next, 'backoff')
      return true
    })
  })

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startLocalCluster } from '../../support/local-cluster.ts'
import { validationCases } from './validation/all-cases.ts'
import { ask, createScratchNamespace } from './validation/ask.ts'
import { readAnswers } from './validation/read-answers.ts'

const answers = readAnswers()

test('every case has one recorded answer', () => {
  assert.deepEqual(Object.keys(answers).toSorted(), validationCases.map(({ name }) => name).toSorted())
})

test('the API server accepts and refuses objects as a real one does, with its causes', async (t) => {
  const cluster = await startLocalCluster(t, { node: false })
  await createScratchNamespace(cluster.request)
  for (const one of validationCases) {
    await t.test(one.name, async () => assert.deepEqual(await ask(cluster.request, one), answers[one.name]))
  }
})

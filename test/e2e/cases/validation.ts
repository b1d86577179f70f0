import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { loadKubeconfig, resources } from '#kubernetes/client'
import { validationCases } from '../../lab/cluster/validation/all-cases.ts'
import { ask, createScratchNamespace, type Send } from '../../lab/cluster/validation/ask.ts'
import { scratchNamespace } from '../../lab/cluster/validation/case.ts'
import { readAnswersOf } from '../../lab/cluster/validation/read-answers.ts'
import type { Lab } from '../../support/lab.ts'
import { requestApi } from '../../support/local-cluster.ts'

/** The records that the local cluster is tested against are what the API server of this cluster answers. */
export function apiValidationCases(lab: () => Lab): void {
  describe('validation of built-in kinds', () => {
    it('answers as recorded', async (t) => {
      const config = loadKubeconfig(lab().kubeconfig)
      const send: Send = (method, path, body) => requestApi(config, { method, path, body })
      const version = String((await send('GET', '/version')).body.gitVersion)
      const answers = readAnswersOf(version)
      if (answers === undefined) return t.skip(`no answers of ${version} are recorded`)
      await createScratchNamespace(send)
      try {
        for (const one of validationCases) assert.deepEqual(await ask(send, one), answers[one.name], one.name)
      } finally {
        await lab().kube.delete(resources.namespaces, { name: scratchNamespace })
      }
    })
  })
}

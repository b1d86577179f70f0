import assert from 'node:assert/strict'
import { after, before, describe } from 'node:test'
import { type Lab, startLab } from '../support/lab.ts'
import { mayHavePodNetwork, noPodNetwork } from '../support/may-have-pod-network.ts'
import { mainJobCases } from './cases/main-job.ts'
import { workloadIdentityCases } from './cases/workload-identity.ts'
import { removeNamespaces } from './namespaces.ts'
import { csiMounts } from './node.ts'
import { noHelm } from './real-cluster-only.ts'

/** End-to-end cases whose pods need networks of their own, on a local cluster that gives them these. */
const reason =
  process.env.KEYMOUNT_E2E === 'real'
    ? 'run on a real cluster by e2e.test.ts'
    : mayHavePodNetwork()
      ? undefined
      : noPodNetwork

describe('end to end on a local cluster with pod networks', reason === undefined ? {} : { skip: reason }, () => {
  let lab: Lab
  before(async () => {
    lab = await startLab({ target: 'local', podNetwork: true, rotationPollInterval: '5s', syncFrequency: '10s' })
  })
  after(async () => {
    try {
      await removeNamespaces(lab)
      assert.deepEqual(await csiMounts(lab), [], 'no volume is left mounted')
    } finally {
      await lab.stop()
    }
  })

  mainJobCases(() => lab)
  workloadIdentityCases(() => lab, noHelm === undefined ? {} : { skip: noHelm })
})

import { describe } from 'node:test'
import { mayHavePodNetwork, noPodNetwork } from '../support/may-have-pod-network.ts'
import { mainJobCases } from './cases/main-job.ts'
import { workloadIdentityCases } from './cases/workload-identity.ts'
import { noHelm } from './real-cluster-only.ts'
import { sharedLab } from './shared-lab.ts'

/** End-to-end cases whose pods need networks of their own, on a local cluster that gives them these. */
const reason =
  process.env.KEYMOUNT_E2E === 'real'
    ? 'run on a real cluster by e2e.test.ts'
    : mayHavePodNetwork()
      ? undefined
      : noPodNetwork

describe('end to end on a local cluster with pod networks', reason === undefined ? {} : { skip: reason }, () => {
  const lab = sharedLab({ target: 'local', podNetwork: true, rotationPollInterval: '5s', syncFrequency: '10s' })
  mainJobCases(lab)
  workloadIdentityCases(lab, noHelm === undefined ? {} : { skip: noHelm })
})

import { describe } from 'node:test'
import { dashboardCases } from './cases/dashboard.ts'
import { doctorCases } from './cases/doctor.ts'
import { envFileCases } from './cases/env-files.ts'
import { eventCases } from './cases/events.ts'
import { faultCases } from './cases/faults.ts'
import { leakCases } from './cases/leaks.ts'
import { mainJobCases } from './cases/main-job.ts'
import { objectCases } from './cases/objects.ts'
import { ownershipCases } from './cases/ownership.ts'
import { restartCases } from './cases/restart.ts'
import { rotateNowCases } from './cases/rotate-now.ts'
import { upstreamCases } from './cases/upstream.ts'
import { upstreamProviderCases } from './cases/upstream-providers.ts'
import { upstreamTakeoverCases } from './cases/upstream-takeover.ts'
import { apiValidationCases } from './cases/validation.ts'
import { workloadIdentityCases } from './cases/workload-identity.ts'
import { noHelm, realClusterOnly } from './real-cluster-only.ts'
import { sharedLab } from './shared-lab.ts'

/**
 * The end-to-end cases: one list for the local cluster (`npm test`) and for the cluster that KUBECONFIG names
 * (`npm run e2e`, KEYMOUNT_E2E=real). The product is installed once; every case has a namespace and a vault of its own.
 */
const target = process.env.KEYMOUNT_E2E === 'real' ? 'real' : 'local'

describe(`end to end on the ${target} cluster`, () => {
  const lab = sharedLab({ target, rotationPollInterval: '5s', syncFrequency: '10s', secretSync: true })
  mainJobCases(lab)
  objectCases(lab)
  ownershipCases(lab)
  rotateNowCases(lab)
  eventCases(lab)
  restartCases(lab)
  faultCases(lab)
  doctorCases(lab)
  dashboardCases(lab)
  upstreamTakeoverCases(lab)
  upstreamCases(lab)
  upstreamProviderCases(lab)
  workloadIdentityCases(lab, realClusterOnly('run on a local cluster by pod-network.test.ts', noHelm))
  envFileCases(lab, realClusterOnly('a local cluster does not have fileKeyRef', noHelm))
  apiValidationCases(lab)
  leakCases(lab)
})

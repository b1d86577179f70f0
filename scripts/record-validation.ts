// Records what a real API server answers to the cases in test/lab/cluster/validation, against which the lab's API server
// is tested: `node scripts/record-validation.ts` with KUBECONFIG of a cluster of our own. `npm run e2e` checks the records.
// Of a newer version than the lab follows, only the answers that differ are recorded.
import { loadKubeconfig } from '#kubernetes/client'
import { validationCases } from '../test/lab/cluster/validation/all-cases.ts'
import { ask, createScratchNamespace, type Send } from '../test/lab/cluster/validation/ask.ts'
import { scratchNamespace, type ValidationAnswer } from '../test/lab/cluster/validation/case.ts'
import { writeAnswers } from '../test/lab/cluster/validation/read-answers.ts'
import { requestApi } from '../test/support/local-cluster.ts'

const { KUBECONFIG } = process.env
if (!KUBECONFIG) throw new Error('KUBECONFIG must name the kubeconfig of a real cluster')
const config = loadKubeconfig(KUBECONFIG)
const send: Send = (method, path, body) => requestApi(config, { method, path, body })

const { body: version } = await send('GET', '/version')
await createScratchNamespace(send)
const answers: Record<string, ValidationAnswer> = {}
for (const one of validationCases) answers[one.name] = await ask(send, one)
await send('DELETE', `/api/v1/namespaces/${scratchNamespace}`)
const file = writeAnswers(String(version.gitVersion), answers)
console.log(`${validationCases.length} answers of ${version.gitVersion}: ${file}`)

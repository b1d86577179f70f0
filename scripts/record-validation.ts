// Records what a real API server answers to the cases in test/lab/cluster/validation, against which the lab's API server
// is tested: `node scripts/record-validation.ts` with KUBECONFIG of a cluster of our own. `npm run e2e` checks the records.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { loadKubeconfig } from '#kubernetes/client'
import { validationCases } from '../test/lab/cluster/validation/all-cases.ts'
import { ask, createScratchNamespace, type Send } from '../test/lab/cluster/validation/ask.ts'
import { scratchNamespace } from '../test/lab/cluster/validation/case.ts'
import { requestApi } from '../test/support/local-cluster.ts'

const { KUBECONFIG } = process.env
if (!KUBECONFIG) throw new Error('KUBECONFIG must name the kubeconfig of a real cluster')
const config = loadKubeconfig(KUBECONFIG)
const send: Send = (method, path, body) => requestApi(config, { method, path, body })

const { body: version } = await send('GET', '/version')
await createScratchNamespace(send)
const lines = []
for (const one of validationCases) lines.push(`  ${JSON.stringify(one.name)}: ${JSON.stringify(await ask(send, one))}`)
await send('DELETE', `/api/v1/namespaces/${scratchNamespace}`)
const file = join(import.meta.dirname, '../test/lab/cluster/validation/answers.json')
writeFileSync(file, `{\n  "version": ${JSON.stringify(version.gitVersion)},\n${lines.join(',\n')}\n}\n`)
console.log(`${validationCases.length} answers of ${version.gitVersion}`)

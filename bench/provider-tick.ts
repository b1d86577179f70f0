/**
 * What the tick of a rotation costs a provider whose idle connections have been closed since the last one: connections that it
 * opens, CPU, and time, for one class with 10 objects and a vault that answers after 30 ms. The first tick of a process that holds no
 * token: one connection is that to Entra. Aim: two connections to the vault. The last line is JSON.
 *
 *   node bench/provider-tick.ts [--other "NODE FILE"]…
 *
 * `--other` measures a provider of another commit too (its Node, and its `start.cjs` or `provider.ts`), in turns.
 */

import { parseArgs } from 'node:util'
import { sleep } from '#lib'
import { objectsOf } from '../test/support/provider.ts'
import { startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'
import { otherProvider, startProviderDaemon } from './support/provider-daemon.ts'
import { quantile, rounded } from './support/statistics.ts'

const { values } = parseArgs({ options: { other: { type: 'string', multiple: true, default: [] } } })
const count = 10
const keyvaultName = 'bench-vault'
const providers = [{}, ...values.other.map(otherProvider)]

const cleanup = createCleanup()
try {
  const lab = await startProviderLabProcess(cleanup.t)
  const { clientId: clientID } = await lab.createReadableVault(keyvaultName)
  const names = Array.from({ length: count }, (_, i) => `secret-${i}`)
  for (const name of names) await lab.azure.setSecret(keyvaultName, name, `value of ${name}`)
  await lab.azure.control('PUT', '/delay', { ms: 30 })
  const objects = objectsOf(...names.map((objectName) => ({ objectName, objectType: 'secret' })))
  const request = await lab.request({ keyvaultName, clientID, objects })
  const currentObjectVersion = names.map((name) => ({ id: `secret/${name}`, version: '1' }))

  const samples = providers.map(() => ({ connections: [] as number[], cpuMs: [] as number[], ms: [] as number[] }))
  for (let round = 0; round < 7; round++) {
    for (const [index, provider] of providers.entries()) {
      const daemon = await startProviderDaemon(cleanup.t, lab, provider)
      await sleep(1000)
      const [before, cpu, started] = [daemon.connections(), daemon.cpuMs(), performance.now()]
      await daemon.mount({ ...request, currentObjectVersion })
      samples[index]?.ms.push(performance.now() - started)
      samples[index]?.cpuMs.push(daemon.cpuMs() - cpu)
      samples[index]?.connections.push(daemon.connections() - before)
      await daemon.stop()
    }
  }
  const rows = samples.map(({ connections, cpuMs, ms }) => ({
    connections: quantile(connections, 0.5),
    cpuMs: quantile(cpuMs, 0.5),
    ms: rounded(quantile(ms, 0.5)),
  }))
  console.table(rows)
  console.log(JSON.stringify({ bench: 'provider-tick', objects: count, rows }))
} finally {
  await cleanup.run()
}

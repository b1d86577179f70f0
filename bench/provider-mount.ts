/**
 * Mount on the provider's socket, p50 in milliseconds, for 1, 5, 20 and 100 objects and a vault that answers after 0, 10,
 * 30 and 50 ms, compared in one run with the upstream provider's way (sign in for every mount, then read one object after another).
 *
 *   cold    token and objects are asked for in every mount
 *   warm    the token is held, objects are asked for
 *   shared  objects were read in the last seconds
 *   first   the very first mount of a provider process that started a second ago: connections, token, objects (20 objects, 30 ms).
 *           Aim: at most 100 ms, of which the two answers take 60
 *
 * Provider and local Azure are processes of their own. The last line is JSON.
 *
 *   node bench/provider-mount.ts [--first] [--other "NODE FILE"]…
 *
 * `--first` measures the first mount alone; `--other` also that of a provider of another commit (its Node, and its `start.cjs` or
 * `provider.ts`), in turns.
 */

import { parseArgs } from 'node:util'
import { sleep } from '#lib'
import { createHttpClient } from '#lib/http'
import { objectsOf } from '../test/support/provider.ts'
import { appSubject, type ProviderLab, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'
import {
  otherProvider,
  type ProviderDaemon,
  type ProviderDaemonOptions,
  startProviderDaemon,
} from './support/provider-daemon.ts'
import { quantile, rounded } from './support/statistics.ts'

const { values: options } = parseArgs({
  options: { first: { type: 'boolean', default: false }, other: { type: 'string', multiple: true, default: [] } },
})
const counts = [1, 5, 20, 100]
const delays = [0, 10, 30, 50]
const keyvaultName = 'bench-vault'

const cleanup = createCleanup()
try {
  const lab = await startProviderLabProcess(cleanup.t)
  const { clientId: clientID } = await lab.createReadableVault(keyvaultName)
  for (let i = 0; i < Math.max(...counts); i++) await lab.azure.setSecret(keyvaultName, `secret-${i}`, `value of ${i}`)
  const requestFor = (count: number) => {
    const objects = Array.from({ length: count }, (_, i) => ({ objectName: `secret-${i}`, objectType: 'secret' }))
    return lab.request({ keyvaultName, clientID, objects: objectsOf(...objects) })
  }
  const field = createField(lab, clientID)
  const modes = {
    cold: await startProviderDaemon(cleanup.t, lab, { flags: ['--token-cache-ttl=0s', '--read-share=0s'] }),
    warm: await startProviderDaemon(cleanup.t, lab, { flags: ['--read-share=0s'] }),
    shared: await startProviderDaemon(cleanup.t, lab),
  }
  const results: Record<string, Record<string, number>> = {}
  for (const delay of options.first ? [] : delays) {
    await lab.azure.control('PUT', '/delay', { ms: delay })
    for (const count of counts) {
      const request = await requestFor(count)
      const row: Record<string, number> = {
        field: await median(samplesFor(count * delay), () => timed(() => field(count))),
      }
      for (const [mode, { mount }] of Object.entries(modes)) {
        await mount(request)
        row[mode] = await median(15, () => timed(() => mount(request)))
      }
      results[`${count} objects, ${delay} ms`] = row
      console.log(`${String(count).padStart(3)} objects, ${String(delay).padStart(2)} ms: ${format(row)}`)
    }
  }
  await lab.azure.control('PUT', '/delay', { ms: 30 })
  const request = await requestFor(20)
  const first = await firstMounts(lab, request, [{}, ...options.other.map(otherProvider)])
  console.table(first)
  console.log(JSON.stringify({ bench: 'provider-mount', unit: 'ms', p50: results, first }))
} finally {
  await cleanup.run()
}

interface FirstMount {
  /** p50, in milliseconds. */
  ms: number
  /** CPU of the provider during the mount, p50. */
  cpuMs: number
  /** Private memory before it, in MiB. */
  idleMib: number
}

/** The first mount of each of these providers, in turns. */
async function firstMounts(
  lab: ProviderLab,
  request: Parameters<ProviderDaemon['mount']>[0],
  providers: readonly ProviderDaemonOptions[],
): Promise<FirstMount[]> {
  const samples = providers.map(() => ({ ms: [] as number[], cpuMs: [] as number[], idleMib: [] as number[] }))
  for (let round = 0; round < 7; round++) {
    for (const [index, provider] of providers.entries()) {
      const daemon = await startProviderDaemon(cleanup.t, lab, provider)
      await sleep(1000)
      const [idle, cpu] = [daemon.memory().pssAnon, daemon.cpuMs()]
      samples[index]?.ms.push(await timed(() => daemon.mount(request)))
      samples[index]?.cpuMs.push(daemon.cpuMs() - cpu)
      samples[index]?.idleMib.push(idle)
      await daemon.stop()
    }
  }
  return samples.map(({ ms, cpuMs, idleMib }) => ({
    ms: rounded(quantile(ms, 0.5)),
    cpuMs: quantile(cpuMs, 0.5),
    idleMib: quantile(idleMib, 0.5),
  }))
}

/** What the Go provider sends: challenge, instance discovery, OIDC discovery, token, then one read after another. */
function createField({ http, azure, issuer }: ProviderLab, clientId: string) {
  const { send, stop } = createHttpClient(http)
  cleanup.t.after(stop)
  const login = 'https://login.microsoftonline.com'
  const { tenantId } = azure.administrator
  const get = async (url: string, headers: Record<string, string> = {}) => send({ url: new URL(url), headers })
  const secretUrl = (i: number) => `https://${keyvaultName}.vault.azure.net/secrets/secret-${i}/?api-version=7.4`
  return async (count: number): Promise<void> => {
    const token = await issuer.token(appSubject)
    const endpoint = encodeURIComponent(`${login}/${tenantId}/oauth2/v2.0/authorize`)
    await get(secretUrl(0))
    await get(`${login}/common/discovery/instance?api-version=1.1&authorization_endpoint=${endpoint}`)
    await get(`${login}/${tenantId}/v2.0/.well-known/openid-configuration`)
    const form = {
      grant_type: 'client_credentials',
      client_id: clientId,
      scope: 'https://vault.azure.net/.default',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: token,
    }
    const url = new URL(`${login}/${tenantId}/oauth2/v2.0/token`)
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const answer = await send({ method: 'POST', url, headers, body: new URLSearchParams(form).toString() })
    const { access_token } = JSON.parse(answer.body.toString('utf8')) as { access_token: string }
    for (let i = 0; i < count; i++) {
      const { status } = await get(secretUrl(i), { authorization: `Bearer ${access_token}` })
      if (status !== 200) throw new Error(`secret-${i} answered ${status}`)
    }
  }
}

/** Median of the milliseconds that `run` gives back. */
async function median(samples: number, run: () => Promise<number>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < samples; i++) times.push(await run())
  return Number((times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0).toFixed(1))
}

async function timed(run: () => Promise<void>): Promise<number> {
  const started = performance.now()
  await run()
  return performance.now() - started
}

/** Long rows are stable, and waiting for them is dull. */
function samplesFor(expectedMs: number): number {
  return expectedMs > 1000 ? 3 : expectedMs > 200 ? 5 : 11
}

function format(row: Record<string, number>): string {
  return Object.entries(row)
    .map(([name, ms]) => `${name} ${ms}`)
    .join(' · ')
}

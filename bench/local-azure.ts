/**
 * Requests per second of reading a secret from the local Key Vault, over kept TLS connections through the proxy, beside a
 * bare node:https server that answers the same bytes, in one run with the same client. Also the CPU time of each server per
 * request, which other work on the machine disturbs less, and what the program needs to start and in memory. The aim is
 * above half of the bare server. Then the same of setting a secret, which is on disk before it is answered; the memory with
 * ten thousand secrets; and how long a user of az waits. The last line is JSON.
 *
 * Arguments: rounds (default 5), milliseconds of each (default 1500).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { openCertificateAuthority } from '../src/lab/azure/certificates/certificate-authority.ts'
import { azMissing, findAz } from '../test/support/az.ts'
import { type TestAzure, testAzure } from '../test/support/local-azure.ts'
import { spawnLocalAzure } from '../test/support/local-azure-process.ts'
import { temporaryDirectory } from '../test/support/temporary-directory.ts'
import { createCleanup } from './support/cleanup.ts'
import type { LoadOptions, LoadResult } from './support/https-load.ts'
import { quantile } from './support/statistics.ts'

const rounds = Number(process.argv[2] ?? 5)
const measureMs = Number(process.argv[3] ?? 1500)
const connectionCounts = [1, 8, 32]
const host = 'bench-vault.vault.azure.net'
const secretsInMemory = 10_000

const cleanup = createCleanup()
try {
  const directory = temporaryDirectory(cleanup.t, 'bench-local-azure-')
  const startedAt = performance.now()
  const program = await spawnLocalAzure(cleanup.t, join(directory, 'state'))
  const startMs = performance.now() - startedAt
  const azure = await testAzure(cleanup.t, program, directory)
  await azure.createVault('bench-vault')
  await azure.setSecret('bench-vault', 'ExampleSecret', 'a value of the usual size')
  const request = await readRequest(azure)
  const bare = await startBareServer(directory, await answerTo(azure, request))

  const bareLoad = { port: bare.port, viaProxy: false, servername: host, caFile: bare.caFile, request, measureMs }
  const servers: Record<string, { process: ChildProcess; load: Omit<LoadOptions, 'connections'> }> = {
    bare: { process: bare.process, load: bareLoad },
    localAzure: {
      process: program.process,
      load: {
        port: Number(new URL(program.proxyUrl).port),
        viaProxy: true,
        servername: host,
        caFile: program.caFile,
        request,
        measureMs,
      },
    },
  }
  const results: Record<string, Record<string, number>> = {}
  for (const connections of connectionCounts) {
    const samples: Record<string, { perSecond: number; cpuMicros: number }[]> = {}
    for (let round = 0; round < rounds; round++) {
      for (const [name, server] of Object.entries(servers)) {
        const sample = await measure(server.process, { ...server.load, connections })
        samples[name] = [...(samples[name] ?? []), sample]
      }
    }
    const median = (name: string, figure: 'perSecond' | 'cpuMicros') =>
      quantile(
        (samples[name] ?? []).map((sample) => sample[figure]),
        0.5,
      )
    const row = {
      bare: Math.round(median('bare', 'perSecond')),
      localAzure: Math.round(median('localAzure', 'perSecond')),
      share: round2(median('localAzure', 'perSecond') / median('bare', 'perSecond')),
      bareCpuMicros: Math.round(median('bare', 'cpuMicros')),
      localAzureCpuMicros: Math.round(median('localAzure', 'cpuMicros')),
    }
    results[`${connections} connections`] = row
    console.log(
      `${String(connections).padStart(2)} connections: local Azure ${row.localAzure}/s, bare ${row.bare}/s, share ${row.share}; ` +
        `CPU per request ${row.localAzureCpuMicros} and ${row.bareCpuMicros} µs`,
    )
  }
  const memoryMiB = pssMiB(program.process.pid)
  console.log(`ready after ${Math.round(startMs)} ms; ${memoryMiB} MiB afterwards`)

  const setting = { ...servers.localAzure?.load, request: await setRequest(azure) } as typeof bareLoad
  const setsPerSecond: Record<string, number> = {}
  for (const connections of [1, 32]) {
    const { perSecond } = await measure(program.process, { ...setting, connections })
    setsPerSecond[`${connections} connections`] = Math.round(perSecond)
  }
  console.log(`sets per second: ${JSON.stringify(setsPerSecond)}`)
  const manySecrets = await memoryWithSecrets(secretsInMemory)
  console.log(`${secretsInMemory} secrets: ${JSON.stringify(manySecrets)}`)
  const azShowMs = await timeAzShow(azure, program, directory)
  console.log(azShowMs === undefined ? azMissing : `az keyvault secret show: ${azShowMs} ms`)
  console.log(
    JSON.stringify({
      bench: 'local-azure',
      startMs: Math.round(startMs),
      memoryMiB,
      results,
      setsPerSecond,
      manySecrets,
      azShowMs,
    }),
  )
} finally {
  await cleanup.run()
}

async function readRequest(azure: TestAzure): Promise<string> {
  const token = await azure.token('https://vault.azure.net')
  return `GET /secrets/ExampleSecret/?api-version=7.4 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nAccept: application/json\r\n\r\n`
}

async function setRequest(azure: TestAzure): Promise<string> {
  const token = await azure.token('https://vault.azure.net')
  const body = JSON.stringify({ value: 'a value of the usual size' })
  return `PUT /secrets/Written?api-version=7.4 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
}

/** A program of its own, so that nothing else is in its memory. */
async function memoryWithSecrets(count: number) {
  const directory = temporaryDirectory(cleanup.t, 'bench-local-azure-')
  const first = await spawnLocalAzure(cleanup.t, directory)
  const azure = await testAzure(cleanup.t, first, directory)
  await azure.createVault('bench-vault')
  const emptyMiB = pssMiB(first.process.pid)
  const authorization = `Bearer ${await azure.token('https://vault.azure.net')}`
  const headers = { authorization, 'content-type': 'application/json' }
  const body = JSON.stringify({ value: 'x'.repeat(64), tags: { team: 'shop' } })
  let next = 0
  const worker = async () => {
    for (let number = next++; number < count; number = next++) {
      const url = new URL(`https://${host}/secrets/secret-${number}?api-version=7.4`)
      await azure.send({ method: 'PUT', url, headers, body })
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  const filledMiB = pssMiB(first.process.pid)
  await first.stop()
  const startedAt = performance.now()
  const second = await spawnLocalAzure(cleanup.t, directory)
  return {
    emptyMiB,
    filledMiB,
    restartMs: Math.round(performance.now() - startedAt),
    restartedMiB: pssMiB(second.process.pid),
  }
}

/** Median of what a user waits for, in milliseconds; undefined without az. */
async function timeAzShow(
  azure: TestAzure,
  program: { caFile: string },
  directory: string,
): Promise<number | undefined> {
  const az = findAz()
  if (az === undefined) return undefined
  const { clientId, clientSecret, tenantId } = azure.administrator
  const env = {
    PATH: process.env.PATH,
    HOME: directory,
    HTTPS_PROXY: azure.proxyUrl,
    REQUESTS_CA_BUNDLE: program.caFile,
    AZURE_CONFIG_DIR: join(directory, 'az'),
    AZURE_CORE_COLLECT_TELEMETRY: 'no',
  }
  const run = (line: string) => promisify(execFile)(az, line.split(' '), { env })
  await run(`login --service-principal -u ${clientId} -p ${clientSecret} --tenant ${tenantId}`)
  const times: number[] = []
  for (let round = 0; round <= rounds; round++) {
    const startedAt = performance.now()
    await run('keyvault secret show --vault-name bench-vault -n ExampleSecret')
    times.push(performance.now() - startedAt)
  }
  // The first compiles Python.
  return Math.round(quantile(times.slice(1), 0.5))
}

/** Headers and body of the answer, less what any server of Node adds. */
async function answerTo(azure: TestAzure, request: string): Promise<{ headers: Record<string, string>; body: string }> {
  const authorization = /Authorization: (.*)\r/.exec(request)?.[1] ?? ''
  const url = new URL(`https://${host}/secrets/ExampleSecret/?api-version=7.4`)
  const { status, headers, body } = await azure.send({ url, headers: { authorization } })
  if (status !== 200) throw new Error(`reading the secret answered ${status}: ${body.toString('utf8')}`)
  const own = Object.entries(headers).filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name))
  return { headers: Object.fromEntries(own.map(([name, value]) => [name, String(value)])), body: body.toString('utf8') }
}

async function startBareServer(directory: string, answer: unknown) {
  const authority = await openCertificateAuthority(directory)
  const { cert, key } = await authority.issue(host)
  const files = { 'bare.pem': cert, 'bare-key.pem': key, 'answer.json': JSON.stringify(answer) }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o600 })
  const program = join(import.meta.dirname, 'support/bare-https-server.ts')
  const process_ = spawn(process.execPath, [program, ...Object.keys(files).map((name) => join(directory, name))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  cleanup.t.after(() => process_.kill())
  const [port] = await once(createInterface(process_.stdout), 'line')
  return { process: process_, port: Number(port), caFile: authority.caFile }
}

async function measure(server: ChildProcess, load: LoadOptions): Promise<{ perSecond: number; cpuMicros: number }> {
  const program = join(import.meta.dirname, 'support/https-load.ts')
  const cpuBefore = cpuMs(server.pid)
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(load)])
  const { requestsPerSecond } = JSON.parse(stdout) as LoadResult
  // The client warms up for as long as it measures, so the server's time is spread over twice the requests that count.
  const requests = (requestsPerSecond * load.measureMs * 2) / 1000
  return { perSecond: requestsPerSecond, cpuMicros: ((cpuMs(server.pid) - cpuBefore) * 1000) / requests }
}

/** CPU time of a process so far: user and system, proc(5), in ticks of 10 ms. */
function cpuMs(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function pssMiB(pid: number | undefined): number {
  const kib = /^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]
  return Math.round(Number(kib) / 1024)
}

function round2(value: number): number {
  return Math.round(value * 100) / 100
}

/**
 * Mount on the provider's socket, p50 in milliseconds, for 1, 5, 20 and 100 objects and a vault that answers after 0, 10,
 * 30 and 50 ms, beside what the field does (sign in for every mount, then read one object after another), in one run.
 *
 *   cold    token and objects are asked for in every mount
 *   warm    the token is held, objects are asked for
 *   shared  objects were read in the last seconds
 *   first   the very first mount of a fresh provider process: connections, token, objects (20 objects, 30 ms)
 *
 * Provider and local Azure are processes of their own. The last line is JSON.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { credentials } from '@grpc/grpc-js'
import { createHttpClient } from '../src/lib/index.ts'
import { CSIDriverProviderClient } from '../src/provider-api/index.ts'
import { type AzureLab, type Identity, startAzureLab } from '../test/support/azure-lab.ts'
import { attributes, objectsOf } from '../test/support/provider.ts'

const counts = [1, 5, 20, 100]
const delays = [0, 10, 30, 50]
const subject = 'system:serviceaccount:default:bench'
const vault = 'bench-vault'

const lab = await startAzureLab()
const directory = mkdtempSync(join(tmpdir(), 'keymount-bench-'))
const fieldClient = createHttpClient(lab.http)
try {
  await lab.createVault(vault)
  const identity = await lab.createIdentity('bench', { vaults: [vault], subjects: [subject] })
  for (let i = 0; i < Math.max(...counts); i++) await lab.setSecret(vault, `secret-${i}`, `value of ${i}`)
  const caFile = join(directory, 'ca.pem')
  writeFileSync(caFile, lab.http.ca ?? '')

  const modes = {
    cold: await startDaemon('cold', ['--token-cache-ttl=0s', '--read-share=0s'], caFile),
    warm: await startDaemon('warm', ['--read-share=0s'], caFile),
    shared: await startDaemon('shared', [], caFile),
  }
  const results: Record<string, Record<string, number>> = {}
  for (const delay of delays) {
    await lab.control('PUT', '/delay', { ms: delay })
    for (const count of counts) {
      const request = requestFor(identity, count)
      const row: Record<string, number> = {}
      row['field'] = await median(samplesFor(count * delay), () => likeTheField(lab, identity, count))
      for (const [mode, { client }] of Object.entries(modes)) {
        await mount(client, request)
        row[mode] = await median(15, () => mount(client, request))
      }
      results[`${count} objects, ${delay} ms`] = row
      console.log(`${String(count).padStart(3)} objects, ${String(delay).padStart(2)} ms: ${format(row)}`)
    }
  }
  await lab.control('PUT', '/delay', { ms: 30 })
  const first: number[] = []
  for (let i = 0; i < 5; i++) {
    const daemon = await startDaemon(`first-${i}`, [], caFile)
    first.push(await timed(() => mount(daemon.client, requestFor(identity, 20))))
    await daemon.stop()
  }
  const firstMs = round(first.sort((a, b) => a - b)[2] ?? 0)
  console.log(`first mount of a fresh process, 20 objects, 30 ms: ${firstMs} ms`)
  for (const { stop } of Object.values(modes)) await stop()
  console.log(JSON.stringify({ bench: 'provider-mount', unit: 'ms', p50: results, first: firstMs }))
} finally {
  await lab.stop()
  rmSync(directory, { recursive: true, force: true })
}

/** What the Go provider sends: challenge, instance discovery, OIDC discovery, token, then one read after another. */
async function likeTheField({ tenantId, token }: AzureLab, { clientId }: Identity, count: number): Promise<void> {
  const login = 'https://login.microsoftonline.com'
  const get = async (url: string, authorization?: string) =>
    fieldClient.send({
      url: new URL(url),
      headers: authorization === undefined ? {} : { authorization },
    })
  await get(`https://${vault}.vault.azure.net/secrets/secret-0/?api-version=7.4`)
  const endpoint = encodeURIComponent(`${login}/${tenantId}/oauth2/v2.0/authorize`)
  await get(`${login}/common/discovery/instance?api-version=1.1&authorization_endpoint=${endpoint}`)
  await get(`${login}/${tenantId}/v2.0/.well-known/openid-configuration`)
  const body = new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: clientId,
    scope: 'https://vault.azure.net/.default',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: token(subject),
  }).toString()
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  const url = new URL(`${login}/${tenantId}/oauth2/v2.0/token`)
  const answer = await fieldClient.send({ method: 'POST', url, headers, body })
  const { access_token } = JSON.parse(answer.body.toString('utf8')) as { access_token: string }
  for (let i = 0; i < count; i++) {
    const { status } = await get(
      `https://${vault}.vault.azure.net/secrets/secret-${i}/?api-version=7.4`,
      `Bearer ${access_token}`,
    )
    if (status !== 200) throw new Error(`secret-${i}: ${status}`)
  }
}

function requestFor({ clientId }: Identity, count: number): string {
  const objects = Array.from({ length: count }, (_, i) => ({ objectName: `secret-${i}`, objectType: 'secret' }))
  const parameters = { keyvaultName: vault, tenantID: lab.tenantId, clientID: clientId, objects: objectsOf(...objects) }
  return attributes(parameters, { 'api://AzureADTokenExchange': lab.token(subject) })
}

function mount(client: CSIDriverProviderClient, request: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const message = {
      attributes: request,
      secrets: 'null',
      targetPath: '/',
      permission: '420',
      currentObjectVersion: [],
    }
    client.mount(message, (error) => (error === null ? resolve() : reject(error)))
  })
}

async function startDaemon(name: string, flags: readonly string[], caFile: string) {
  const socket = join(directory, `${name}.sock`)
  const program = join(import.meta.dirname, '../src/bin/provider.ts')
  const args = [
    '--disable-warning=ExperimentalWarning',
    program,
    `--endpoint=unix://${socket}`,
    '--healthz-port=0',
    '--prometheus-port=0',
    ...flags,
  ]
  const env = { ...process.env, ...lab.http.proxyEnv, SSL_CERT_FILE: caFile }
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
  await new Promise<void>((resolve) => {
    child.stderr.on('data', (text: Buffer) => {
      if (text.includes('"ready"')) resolve()
    })
  })
  const client = new CSIDriverProviderClient(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  })
  const stop = async () => {
    client.close()
    child.kill('SIGTERM')
    await new Promise((resolve) => child.once('exit', resolve))
  }
  return { client, stop }
}

async function median(samples: number, run: () => Promise<void>): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < samples; i++) times.push(await timed(run))
  return round(times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0)
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

function round(ms: number): number {
  return Number(ms.toFixed(1))
}

/**
 * Our token and vault client beside the official SDKs (`@azure/identity`, `@azure/keyvault-secrets`), each in a bundle and
 * a process of its own: time and requests of the first read of an identity with 1 and 20 objects side by side, and memory
 * afterwards. The figures behind docs/decisions/0002-own-token-and-vault-client.md. The last line is JSON.
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { appSubject, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'

const root = join(import.meta.dirname, '..')

/** Each program reads one JSON line per round from standard input and answers with the milliseconds it took. */
const loop = `
import { createInterface } from 'node:readline'
createInterface({ input: process.stdin }).on('line', async (line) => {
  const round = JSON.parse(line)
  const started = performance.now()
  await read(round)
  process.stdout.write(JSON.stringify({ ms: performance.now() - started }) + '\\n')
})
`
const programs = {
  own: `
import { createAcquireToken, createTokenSource, findCloud, readTokenClaims } from '${root}/src/identity/index.ts'
import { createVaultClient, vaultAddress } from '${root}/src/keyvault/index.ts'
import { createHttpClient, createRetryingSend, SecretValue } from '${root}/src/lib/index.ts'
const send = createRetryingSend({ send: createHttpClient({ proxyEnv: { HTTPS_PROXY: process.env.HTTPS_PROXY } }).send })
const client = createVaultClient({ send })
const cloud = findCloud('')
async function read({ tenantId, clientId, token, vault, names }) {
  const tokens = createTokenSource({ acquire: createAcquireToken({ send, sendOnNode: send }) })
  const credential = { kind: 'workload', tenantId, clientId, assertion: { token: SecretValue.of(token), claims: readTokenClaims(token) } }
  const request = { cloud, resource: cloud.vaultResource }
  const auth = { resource: cloud.vaultResource, token: async () => (await tokens.get('key', credential, request)).token, refused() {} }
  await Promise.all(names.map((name) => client.getSecret(vaultAddress(vault, cloud.vaultSuffix), name, '', auth)))
}`,
  sdk: `
import { ClientAssertionCredential } from '@azure/identity'
import { SecretClient } from '@azure/keyvault-secrets'
async function read({ tenantId, clientId, token, vault, names }) {
  const credential = new ClientAssertionCredential(tenantId, clientId, async () => token)
  const client = new SecretClient('https://' + vault + '.vault.azure.net', credential)
  await Promise.all(names.map((name) => client.getSecret(name)))
}`,
}

const cleanup = createCleanup()
const lab = await startProviderLabProcess(cleanup.t)
const directory = mkdtempSync(join(tmpdir(), 'keymount-bench-'))
try {
  const { clientId } = await lab.createReadableVault('bench-vault')
  for (let i = 0; i < 20; i++) await lab.azure.setSecret('bench-vault', `secret-${i}`, `value of ${i}`)
  const caFile = join(directory, 'ca.pem')
  writeFileSync(caFile, lab.http.ca ?? '')
  await lab.azure.control('PUT', '/delay', { ms: 30 })

  const results: Record<string, unknown> = {}
  for (const [name, source] of Object.entries(programs)) {
    const { bytes, file } = await bundle(name, source)
    const program = startProgram(file, caFile)
    const round = async (count: number) =>
      program.run({
        tenantId: lab.azure.administrator.tenantId,
        clientId,
        token: await lab.issuer.token(appSubject),
        vault: 'bench-vault',
        names: Array.from({ length: count }, (_, i) => `secret-${i}`),
      })
    await round(20)
    await lab.takeCounts()
    await round(1)
    const counts = await lab.takeCounts()
    const times: Record<string, number> = {}
    for (const count of [1, 20]) {
      const samples: number[] = []
      for (let i = 0; i < 9; i++) samples.push(await round(count))
      times[count] = Number((samples.sort((a, b) => a - b)[4] ?? 0).toFixed(1))
    }
    for (let i = 0; i < 50; i++) await round(20)
    results[name] = {
      bundleKiB: Math.round(bytes / 1024),
      newIdentityMs: times,
      requestsOfOneRead: counts,
      ...program.memory(),
    }
    program.stop()
    console.log(name, JSON.stringify(results[name]))
  }
  console.log(JSON.stringify({ bench: 'provider-sdk', delayMs: 30, results }))
} finally {
  await cleanup.run()
  rmSync(directory, { recursive: true, force: true })
}

async function bundle(name: string, source: string): Promise<{ bytes: number; file: string }> {
  const file = join(directory, `${name}.cjs`)
  const stdin = { contents: source + loop, resolveDir: root, sourcefile: `${name}.mjs` }
  // node-forge reads PFX files only, and is loaded by the first one: in the image it is a file of its own.
  const external = ['node-forge']
  await build({
    stdin,
    outfile: file,
    external,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  })
  return { bytes: readFileSync(file).length, file }
}

function startProgram(file: string, caFile: string) {
  const env = { ...process.env, HTTPS_PROXY: lab.http.proxyEnv?.HTTPS_PROXY, NODE_EXTRA_CA_CERTS: caFile }
  const child = spawn(process.execPath, ['--max-semi-space-size=1', file], { env, stdio: ['pipe', 'pipe', 'inherit'] })
  let waiting: (line: string) => void = () => {}
  child.stdout.on('data', (text: Buffer) => waiting(text.toString('utf8')))
  return {
    run: (round: unknown) =>
      new Promise<number>((resolve) => {
        waiting = (line) => resolve((JSON.parse(line) as { ms: number }).ms)
        child.stdin.write(`${JSON.stringify(round)}\n`)
      }),
    memory() {
      const text = readFileSync(`/proc/${child.pid}/smaps_rollup`, 'utf8')
      const mib = (field: string) =>
        Number((Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024).toFixed(1))
      return { pssMiB: mib('Pss'), pssAnonMiB: mib('Pss_Anon') }
    },
    stop: () => child.kill(),
  }
}

/**
 * What a tenant can cost others. Each attack goes to a fresh daemon, run as a process, while another tenant's requests are
 * timed; printed are the longest of them, the daemon's peak memory, and whether it lived. With `--against DIR` (another
 * checkout, its packages installed) the same attacks go to that one's daemons in the same run. Numbers are those of
 * docs/limits.md. Everything listens on loopback; an attack ends after 20 seconds. The last line is JSON.
 *
 *   node bench/attacks.ts [--against DIR] [--only NAME]
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request as httpRequest } from 'node:http'
import { Agent, request as httpsRequest } from 'node:https'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { credentials } from '@grpc/grpc-js'
import { CSIDriverProviderClient } from '#kubernetes/provider-protocol'
import { sleep } from '#lib'
import { startPodIdentityCluster } from '../test/product/pod-identity/cluster.ts'
import { host, namespace, podReview, startWebhookLab } from '../test/product/webhook/webhook-lab.ts'
import { eventually } from '../test/support/eventually.ts'
import { type ProviderLab, startProviderLabProcess } from '../test/support/provider-lab.ts'
import { createCleanup } from './support/cleanup.ts'

const { values } = parseArgs({ options: { against: { type: 'string' }, only: { type: 'string' } } })
const longestMs = 20_000

interface Victim {
  process: ChildProcess
  /** A request of another tenant. */
  probe(): Promise<unknown>
}

interface Attack {
  name: string
  what: string
  start(checkout: string): Promise<Victim & { attack(): Promise<unknown> }>
}

interface Result {
  longestMs: number
  peakMiB: number
  lived: boolean
}

const cleanup = createCleanup()
try {
  const lab = await startProviderLabProcess(cleanup.t)
  await lab.createReadableVault('bench-vault')
  await lab.azure.setSecret('bench-vault', 'secret', 'x')
  await lab.azure.setSecret('bench-vault', 'large', 'x'.repeat(24_000))
  const attacks = [...providerAttacks(lab), ...(await webhookAttacks()), ...(await nmiAttacks())]
  const checkouts = {
    now: resolve(import.meta.dirname, '..'),
    ...(values.against === undefined ? {} : { before: resolve(values.against) }),
  }
  const results: Record<string, Record<string, Result>> = {}
  for (const { name, what, start } of attacks.filter((one) => values.only === undefined || one.name === values.only)) {
    results[name] = {}
    for (const [when, checkout] of Object.entries(checkouts)) {
      const result = await measure(await start(checkout))
      results[name][when] = result
      const { longestMs: longest, peakMiB, lived } = result
      console.log(
        `${name} (${what}), ${when}: others wait ${longest} ms, peak ${peakMiB} MiB${lived ? '' : ', the daemon died'}`,
      )
    }
  }
  console.log(JSON.stringify({ bench: 'attacks', results }))
} finally {
  await cleanup.run()
}

/** Probes one after the other, from before the attack until it has ended or the time is up. */
async function measure({ process: daemon, probe, attack }: Victim & { attack(): Promise<unknown> }): Promise<Result> {
  for (let i = 0; i < 3; i++) await probe().catch(() => undefined)
  let ended = false
  let longest = 0
  const attacking = attack()
    .catch(() => undefined)
    .finally(() => {
      ended = true
    })
  const startedAt = performance.now()
  while (
    !ended &&
    performance.now() - startedAt < longestMs &&
    daemon.exitCode === null &&
    daemon.signalCode === null
  ) {
    const askedAt = performance.now()
    await Promise.race([probe().catch(() => undefined), sleep(longestMs)])
    longest = Math.max(longest, performance.now() - askedAt)
    await sleep(20)
  }
  await Promise.race([attacking, sleep(500)])
  const lived = daemon.exitCode === null && daemon.signalCode === null
  const peakMiB = lived ? peakOf(daemon) : 0
  daemon.kill('SIGKILL')
  return { longestMs: Math.round(longest), peakMiB, lived }
}

function peakOf({ pid }: ChildProcess): number {
  const kib = /^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0
  return Math.round(Number(kib) / 1024)
}

/** A daemon of a checkout, once its log reports that it is ready. */
async function startDaemon(checkout: string, words: readonly string[], env: Record<string, string> = {}) {
  const program = join(checkout, 'src/bin/cli.ts')
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...words], {
    env: { PATH: process.env.PATH ?? '', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  cleanup.t.after(() => child.kill('SIGKILL'))
  for await (const line of createInterface({ input: child.stderr })) {
    const entry = JSON.parse(line) as { msg?: string; port?: number }
    if (entry.msg === 'ready' || entry.msg === 'listening') {
      child.stderr.resume()
      return { process: child, port: entry.port ?? 0 }
    }
  }
  throw new Error(`${words[0]} did not start`)
}

function providerAttacks(lab: ProviderLab): Attack[] {
  const start =
    (objects: string, extra: Record<string, string> = {}, secrets = '{}') =>
    async (checkout: string) => {
      const directory = mkdtempSync(join(tmpdir(), 'keymount-attacks-'))
      cleanup.t.after(() => rmSync(directory, { recursive: true, force: true }))
      const socket = join(directory, 'azure.sock')
      const ca = join(directory, 'ca.pem')
      writeFileSync(ca, lab.http.ca ?? '')
      const flags = [`--endpoint=unix://${socket}`, '--healthz-port=0', '--prometheus-port=0']
      const daemon = await startDaemon(checkout, ['provider', ...flags], {
        ...(lab.http.proxyEnv as Record<string, string>),
        SSL_CERT_FILE: ca,
      })
      const client = new CSIDriverProviderClient(`unix:${socket}`, credentials.createInsecure(), {
        'grpc.default_authority': 'localhost',
        'grpc.max_receive_message_length': 1 << 30,
      })
      cleanup.t.after(() => client.close())
      const mount = async (parameters: Record<string, string>, secretsText = '{}') => {
        const { attributes = '' } = await lab.request({ keyvaultName: 'bench-vault', ...parameters })
        const message = {
          attributes,
          secrets: secretsText,
          targetPath: '/',
          permission: '420',
          currentObjectVersion: [],
        }
        return new Promise((done, fail) =>
          client.mount(message, (error) => (error === null ? done(undefined) : fail(error))),
        )
      }
      const probeObjects = '- objectName: secret\n  objectType: secret\n'
      return {
        process: daemon.process,
        probe: () => mount({ objects: probeObjects }),
        attack: () => mount({ objects, ...extra }, secrets),
      }
    }
  const many = (count: number, row: (i: number) => string) => Array.from({ length: count }, (_, i) => row(i)).join('')
  const unknown = Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`unknown${i}`, 'x']))
  const principal = JSON.stringify({ clientid: 'c', clientcertificate: costlyPfx().toString('base64') })
  return [
    {
      name: '2.2 objects',
      what: '20,000 keys in one YAML mapping',
      start: start(`- {${many(20_000, (i) => `k${i}: 1, `)}}`),
    },
    { name: '2.2 parameters', what: '20,000 unknown parameters', start: start('', unknown) },
    {
      name: '2.3 PFX',
      what: '8,388,607 rounds of key derivation',
      start: start('- objectName: secret\n  objectType: secret\n', { usePodIdentity: 'false' }, principal),
    },
    {
      name: '2.4 aliases',
      what: 'a 24 kB secret under 4,000 aliases',
      start: start(many(4000, (i) => `- {objectName: large, objectType: secret, objectAlias: a${i}}\n`)),
    },
  ]
}

/** A PFX whose integrity takes seconds to check, as anyone can make one. */
function costlyPfx(): Buffer {
  const directory = mkdtempSync(join(tmpdir(), 'keymount-pfx-'))
  const run = (...words: string[]) => execFileSync('openssl', words, { cwd: directory, stdio: 'pipe' })
  try {
    run(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'k.pem',
      '-out',
      'c.pem',
      '-days',
      '2',
      '-subj',
      '/CN=x',
    )
    run('pkcs12', '-export', '-inkey', 'k.pem', '-in', 'c.pem', '-out', 'a.pfx', '-passout', 'pass:', '-iter', '70000')
    const pfx = readFileSync(join(directory, 'a.pfx'))
    // The rounds are plain numbers in the file: 70,000 becomes the largest of three bytes.
    const small = Buffer.from('0203011170', 'hex')
    const large = Buffer.from('02037fffff', 'hex')
    for (let at = pfx.indexOf(small); at >= 0; at = pfx.indexOf(small, at + 1)) large.copy(pfx, at)
    return pfx
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

async function webhookAttacks(): Promise<Attack[]> {
  const lab = await startWebhookLab(cleanup.t)
  const start = (make: (post: Post) => Promise<unknown>) => async (checkout: string) => {
    const flags = ['--webhook-addr=127.0.0.1:0', '--health-addr=0', '--metrics-addr=0', '--class-checks=warn']
    const daemon = await startDaemon(checkout, ['controller', `--kubeconfig=${lab.kubeconfig}`, ...flags], {
      AZURE_TENANT_ID: 'tenant',
      POD_NAMESPACE: namespace,
    })
    const pod = podReview({
      metadata: { name: 'app', labels: { 'azure.workload.identity/use': 'true' } },
      spec: { serviceAccountName: 'default', containers: [{ name: 'app', image: 'app' }] },
    })
    const ca = await eventually(async () => {
      const bundle = await lab.bundle()
      await lab.post(daemon.port, pod, { ca: bundle })
      return bundle
    }, 20_000)
    const agent = new Agent({ ca, servername: host, maxSockets: 64 })
    const post: Post = (path, body) => postTo(daemon.port, agent, path, body)
    post.ca = ca
    post.port = daemon.port
    return {
      process: daemon.process,
      probe: () => post('/mutate-v1-pod', JSON.stringify(pod)),
      attack: () => make(post),
    }
  }
  const podWith = (spec: object) =>
    JSON.stringify(
      podReview({
        metadata: { name: 'x', labels: { 'azure.workload.identity/use': 'true' } },
        spec: { serviceAccountName: 'default', ...spec },
      }),
    )
  const slashes = podWith({
    containers: [{ name: 'c', image: 'i', volumeMounts: [{ name: 'v', mountPath: `/x${'/'.repeat(110_000)}x` }] }],
  })
  const containers = podWith({ containers: Array.from({ length: 40_000 }, (_, i) => ({ name: `c${i}`, image: 'i' })) })
  const keys = Array.from({ length: 20_000 }, (_, i) => `k${i}: 1, `).join('')
  const secretClass = JSON.stringify(classReview({ keyvaultName: 'v', tenantID: 't', objects: `- {${keys}}` }))
  return [
    {
      name: '2.1 mount path',
      what: 'a mountPath of 110,000 slashes',
      start: start((post) => post('/mutate-v1-pod', slashes)),
    },
    {
      name: '2.2 class check',
      what: '20,000 keys in the objects of a class',
      start: start((post) => post('/validate-secretproviderclass', secretClass)),
    },
    {
      name: '2.5 containers',
      what: 'a pod with 40,000 containers',
      start: start((post) => post('/mutate-v1-pod', containers)),
    },
    { name: '2.5 bodies', what: 'forty unfinished bodies of 7 MiB', start: start(unfinishedBodies) },
    {
      name: '2.5 objects',
      what: 'a body of two million empty objects',
      start: start((post) => post('/mutate-v1-pod', `{"request":{"object":[${'{},'.repeat(2_000_000)}{}]}}`)),
    },
    {
      name: '2.5 silence',
      what: '600 connections that never speak TLS, for eight seconds',
      start: start(({ port }) => holdConnections(port, 600, '127.0.0.1')),
    },
  ]
}

/** Opens connections and sends nothing. One that is ended is opened again, a few times a second. */
async function holdConnections(port: number, count: number, localAddress: string): Promise<void> {
  const sockets = new Set<Socket>()
  const open = () => {
    const socket = connect({ host: '127.0.0.1', port, localAddress })
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket))
    sockets.add(socket)
  }
  for (const endsAt = performance.now() + 8000; performance.now() < endsAt; await sleep(200)) {
    while (sockets.size < count) open()
  }
  for (const socket of sockets) socket.destroy()
}

interface Post {
  (path: string, body: string): Promise<unknown>
  ca: string
  port: number
}

function postTo(port: number, agent: Agent, path: string, body: string): Promise<void> {
  return new Promise((done, fail) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const asking = httpsRequest(
      { host: '127.0.0.1', port, path, method: 'POST', agent, headers, timeout: longestMs },
      (response) => {
        response.resume().on('end', done)
      },
    )
    asking.on('error', fail).end(body)
  })
}

async function unfinishedBodies({ ca, port }: Post): Promise<void> {
  const file = new URL('./support/unfinished-bodies.ts', import.meta.url)
  await once(new Worker(file, { workerData: { ca, port, servername: host } }), 'exit')
}

function classReview(parameters: Record<string, string>): object {
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid: 'u',
      operation: 'CREATE',
      resource: { group: 'secrets-store.csi.x-k8s.io', version: 'v1', resource: 'secretproviderclasses' },
      namespace: 'default',
      object: {
        apiVersion: 'secrets-store.csi.x-k8s.io/v1',
        kind: 'SecretProviderClass',
        metadata: { name: 'c', namespace: 'default' },
        spec: { provider: 'azure', parameters },
      },
    },
  }
}

async function nmiAttacks(): Promise<Attack[]> {
  const { kubeconfig } = await startPodIdentityCluster(cleanup.t)
  const ask = (port: number, path: string) =>
    new Promise((done, fail) => {
      const headers = { metadata: 'true' }
      httpRequest({ host: '127.0.0.1', port, path, headers, timeout: longestMs }, (response) =>
        response.resume().on('end', done),
      )
        .on('error', fail)
        .end()
    })
  const start = (attack: (port: number) => Promise<unknown>) => async (checkout: string) => {
    const flags = ['--nmi-port=0', '--http-probe-port=0', '--prometheus-port=0', '--redirect=false', '--node=n']
    const imds = '--imds-endpoint=http://127.0.0.1:1'
    const daemon = await startDaemon(checkout, ['nmi', `--kubeconfig=${kubeconfig}`, ...flags, imds])
    return {
      process: daemon.process,
      probe: () => ask(daemon.port, '/metadata/instance'),
      attack: () => attack(daemon.port),
    }
  }
  const path = `/${'metadata/identity/oauth2/'.repeat(170)}`
  return [
    { name: '2.6 route', what: 'a GET of 4.3 kB', start: start((port) => ask(port, path)) },
    {
      name: '2.6 connections',
      what: '1,200 connections of one pod, for eight seconds',
      start: start((port) => holdConnections(port, 1200, '127.0.0.2')),
    },
  ]
}

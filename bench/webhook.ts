/**
 * Admission requests per second and their p99, for 1, 8 and 32 clients that each keep one TLS connection and ask for a pod
 * with three containers; and the memory of the webhook before the load, right after it, and when it has rested again. The
 * webhook is the process of the image; pods are admitted as the API server asks, with a service account that is followed.
 * Upstream's figures were measured on the same kind of machine (2 cores), not in this run. The last line is JSON.
 *
 * Argument: milliseconds of each measurement (default 4000); half as many before it warm up.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { connect, type TLSSocket } from 'node:tls'
import { resources } from '#kubernetes/client'
import { sleep } from '#lib'
import { buildRootfs, environment, nodeFlags, programDirectory } from '#packaging/image'
import { host, namespace, podReview, startWebhookLab } from '../test/product/webhook/webhook-lab.ts'
import { eventually } from '../test/support/eventually.ts'
import { createCleanup } from './support/cleanup.ts'
import { quantile, rounded } from './support/statistics.ts'

const measureMs = Number(process.argv[2] ?? 4000)
/** The program of the image collects when it has been idle for most of 15 s. */
const quietMs = 35_000
const upstream = {
  1: { perSecond: 1267, p99Ms: 2.5 },
  8: { perSecond: 2238, p99Ms: 12.9 },
  32: { perSecond: 2376, p99Ms: 43 },
}
const upstreamMemoryMiB = 46

const cleanup = createCleanup()
try {
  const lab = await startWebhookLab(cleanup.t)
  const annotations = { 'azure.workload.identity/client-id': 'client' }
  const metadata = { name: 'app', namespace: 'default', annotations }
  await lab.kube.create(resources.serviceAccounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata })
  const { program, port } = await startController(lab.kubeconfig)
  const ca = await eventually(async () => {
    const bundle = await lab.bundle()
    const { body } = await lab.post(port, review(), { ca: bundle })
    if (!body.response.allowed) throw new Error(body.response.status?.message)
    return bundle
  }, 20_000)

  await sleep(quietMs)
  const before = memoryOf(program)
  const results: Record<string, object> = {}
  for (const [clients, theirs] of Object.entries(upstream)) {
    const ours = await measure(port, ca, Number(clients))
    results[clients] = { ...ours, upstream: theirs }
    console.log(
      `${clients.padStart(2)} clients: ${ours.perSecond} per second, p99 ${ours.p99Ms} ms` +
        ` (upstream ${theirs.perSecond}, ${theirs.p99Ms} ms)`,
    )
  }
  const loaded = memoryOf(program)
  await sleep(quietMs)
  const afterwards = memoryOf(program)
  for (const [when, { residentMiB, ownMiB }] of Object.entries({ before, loaded, afterwards }))
    console.log(`memory ${when}: ${residentMiB} MiB, of which ${ownMiB} MiB are its own, the rest pages of files`)
  console.log(`upstream: ${upstreamMemoryMiB} MiB`)
  console.log(JSON.stringify({ bench: 'webhook', results, memory: { before, loaded, afterwards }, upstreamMemoryMiB }))
} finally {
  await cleanup.run()
}

function review(): object {
  const container = (name: string) => ({
    name,
    image: `registry.example.com/${name}:1.0`,
    env: [{ name: 'MODE', value: 'production' }],
    ports: [{ containerPort: 8080 }],
    resources: { requests: { cpu: '100m', memory: '128Mi' } },
    volumeMounts: [{ name: 'data', mountPath: '/data' }],
  })
  return podReview({
    metadata: { generateName: 'app-', labels: { app: 'app', 'azure.workload.identity/use': 'true' } },
    spec: {
      serviceAccountName: 'app',
      containers: ['app', 'sidecar', 'agent'].map(container),
      volumes: [{ name: 'data', emptyDir: {} }],
    },
  })
}

/** The webhook as the image runs it: its Node, which is written so that it is small in memory, its flags and its bundle. */
async function startController(kubeconfig: string): Promise<{ program: ChildProcess; port: number }> {
  const image = await buildRootfs(resolve(import.meta.dirname, '../dist/image'))
  const flags = [
    '--webhook-addr=127.0.0.1:0',
    '--health-addr=0',
    '--metrics-addr=0',
    '--drain-time=0s',
    '--class-checks=warn',
  ]
  const program = spawn(
    join(image.path, 'usr/local/bin/node'),
    [
      ...nodeFlags,
      join(image.path, programDirectory, 'start.cjs'),
      'controller',
      `--kubeconfig=${kubeconfig}`,
      ...flags,
    ],
    {
      env: { ...environment, AZURE_TENANT_ID: 'tenant', POD_NAMESPACE: namespace },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  cleanup.t.after(() => program.kill())
  for await (const line of createInterface({ input: program.stderr })) {
    const { msg, port } = JSON.parse(line) as { msg: string; port?: number }
    if (msg === 'listening' && port !== undefined) return { program, port }
  }
  throw new Error('the webhook did not start')
}

async function measure(port: number, ca: string, clients: number): Promise<{ perSecond: number; p99Ms: number }> {
  const body = JSON.stringify(review())
  const request = `POST /mutate-v1-pod?timeout=10s HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
  const sockets = await Promise.all(Array.from({ length: clients }, () => open(port, ca)))
  let latencies: number[] = []
  const ends = sockets.map((socket) => keepAsking(socket, request, (ms) => latencies.push(ms)))
  await sleep(measureMs / 2)
  latencies = []
  const startedAt = performance.now()
  await sleep(measureMs)
  const seconds = (performance.now() - startedAt) / 1000
  const result = { perSecond: Math.round(latencies.length / seconds), p99Ms: rounded(quantile(latencies, 0.99)) }
  for (const end of ends) end()
  return result
}

function open(port: number, ca: string): Promise<TLSSocket> {
  return new Promise((done, fail) => {
    const socket = connect({ host: '127.0.0.1', port, servername: host, ca }, () => done(socket))
    socket.on('error', fail)
  })
}

/** One request after another; every answer has to be a mutation. */
function keepAsking(socket: TLSSocket, request: string, onAnswer: (ms: number) => void): () => void {
  let text = ''
  let askedAt = performance.now()
  socket.on('data', (data: Buffer) => {
    text += data.toString('latin1')
    const head = text.indexOf('\r\n\r\n')
    const length = Number(/content-length: (\d+)/i.exec(text)?.[1])
    if (head < 0 || text.length < head + 4 + length) return
    if (!text.includes('"patchType":"JSONPatch"')) throw new Error(`no mutation: ${text}`)
    text = ''
    onAnswer(performance.now() - askedAt)
    askedAt = performance.now()
    socket.write(request)
  })
  socket.write(request)
  return () => socket.destroy()
}

/** Pages of files are shared by the replicas of a node, and the kernel takes them back when memory is short. */
function memoryOf({ pid }: ChildProcess): { residentMiB: number; ownMiB: number } {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mebibytes = (name: string) => rounded(Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1]) / 1024)
  return { residentMiB: mebibytes('VmRSS'), ownMiB: mebibytes('RssAnon') }
}

import { readFile } from 'node:fs/promises'
import { request as httpsRequest, type RequestOptions } from 'node:https'
import type { TestContext } from 'node:test'
import { type KubeConfig, loadKubeconfig } from '#kubernetes/client'
import { type LocalClusterOptions, startLocalCluster as start } from '#lab/cluster'
import { silentLog } from '#lib'
import { temporaryDirectory } from './temporary-directory.ts'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  /** Parsed when it is JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any
}

export interface RequestExtras {
  headers?: Record<string, string>
  /** Bearer token instead of the administrator's certificate; empty for an anonymous request. */
  token?: string
}

/** A local cluster as its users see it. */
export interface TestCluster {
  server: string
  /** File. */
  kubeconfig: string
  /** PEM. */
  ca: string
  issuer: string
  stateDir: string
  kubeletRoot: string
  machineAddress: string | undefined
  podNetworkProblem: string | undefined
  /** One request as the administrator; a body that is not a string is sent as JSON. */
  request(method: string, path: string, body?: unknown, extras?: RequestExtras): Promise<Answer>
  /** The lines of a stream (a watch, a log) until `enough` is true or it ends. */
  lines(path: string, enough: (lines: readonly string[]) => boolean): Promise<string[]>
  stop(): Promise<void>
}

/** Starts a local cluster in a new directory, on a free port; it ends with the test. */
export async function startLocalCluster(
  t: TestContext,
  overrides: Partial<LocalClusterOptions> = {},
): Promise<TestCluster> {
  const stateDir = overrides.stateDir ?? temporaryDirectory(t, 'keymount-cluster-')
  const cluster = await start({ port: 0, log: silentLog, ...overrides, stateDir })
  t.after(() => cluster.stop())
  const config = loadKubeconfig(cluster.kubeconfig)
  return {
    ...cluster,
    stateDir,
    ca: await readFile(cluster.ca, 'utf8'),
    request: (method, path, body, extras = {}) => requestApi(config, { method, path, body, ...extras }),
    lines: (path, enough) => readLines(config, path, enough),
    stop: () => cluster.stop(),
  }
}

function optionsOf({ server, ca, cert, key }: KubeConfig, path: string, token?: string): RequestOptions {
  const { hostname, port } = new URL(server)
  const credentials = token === undefined ? { cert, key } : {}
  return { hostname, port, path, ca, ...credentials, agent: false }
}

/** One request to the API server of a kubeconfig, as its user. */
export function requestApi(
  config: KubeConfig,
  { method, path, body, headers = {}, token }: RequestExtras & { method: string; path: string; body?: unknown },
): Promise<Answer> {
  const bytes =
    body === undefined || body instanceof Uint8Array
      ? body
      : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  // Node frames the body of a DELETE only when the length is set.
  const type: Record<string, string> =
    bytes === undefined ? {} : { 'content-type': 'application/json', 'content-length': String(bytes.length) }
  const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  return new Promise((resolve, reject) => {
    const options = { ...optionsOf(config, path, token), method, headers: { ...type, ...authorization, ...headers } }
    const sent = httpsRequest(options, async (response) => {
      const chunks = await response.toArray()
      const answer = Buffer.concat(chunks).toString('utf8')
      const isJson = (response.headers['content-type'] ?? '').includes('json')
      resolve({
        status: response.statusCode ?? 0,
        headers: response.headers,
        body: isJson ? JSON.parse(answer) : answer,
      })
    })
    sent.on('error', reject)
    sent.end(bytes)
  })
}

function readLines(config: KubeConfig, path: string, enough: (lines: readonly string[]) => boolean): Promise<string[]> {
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(optionsOf(config, path), (response) => {
      let text = ''
      const finished = () => text.split('\n').slice(0, -1)
      response.setEncoding('utf8')
      response.on('data', (chunk) => {
        text += chunk
        if (!enough(finished())) return
        resolve(finished())
        sent.destroy()
      })
      response.on('end', () => resolve(finished()))
    })
    sent.on('error', (error) => reject(error))
    sent.end()
  })
}

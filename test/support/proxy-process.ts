import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { eventually } from './eventually.ts'
import { appSubject, type ProviderLab } from './provider-lab.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** `keymount proxy` as a process, with the environment that the webhook gives it, beside a local Azure. */
export interface TestProxy {
  port: number
  url: string
  process: ChildProcess
  /** Lines of its log. */
  lines: string[]
  /** One request; the target goes out as it is. */
  ask(target: string, options?: AskOptions): Promise<Answer>
  /** Puts another service account token where kubelet would. */
  setToken(token: string): void
  ended: Promise<[number | null]>
}

export interface AskOptions {
  method?: string
  /** Default `metadata: true`. */
  headers?: Record<string, string>
  body?: string
  /** Where to connect. Default: the proxy. */
  host?: string
  port?: number
}

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  /** The body, where it is JSON. */
  json: Record<string, unknown>
}

const program = resolve(import.meta.dirname, '../../src/bin/cli.ts')

/** Runs `keymount WORDS…`. Its log lines are kept. */
export function spawnProxy(t: TestContext, words: readonly string[], env: Record<string, string>) {
  const child = spawn(process.execPath, [program, ...words], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  t.after(() => child.kill('SIGKILL'))
  const lines: string[] = []
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => lines.push(line))
  return { child, lines, ended: once(child, 'close') as Promise<[number | null]> }
}

export interface ProxyOptions {
  flags?: readonly string[]
  env?: Record<string, string>
}

/** @param clientId of the pod's service account; empty for none. */
export async function startProxyProcess(
  t: TestContext,
  { azure, issuer }: Pick<ProviderLab, 'azure' | 'issuer'>,
  clientId: string,
  { flags = [], env = {} }: ProxyOptions = {},
): Promise<TestProxy> {
  const directory = temporaryDirectory(t, 'proxy-')
  const tokenFile = join(directory, 'azure-identity-token')
  writeFileSync(tokenFile, await issuer.token(appSubject))
  const { child, lines, ended } = spawnProxy(t, ['proxy', '--proxy-port=0', ...flags], {
    AZURE_TENANT_ID: azure.administrator.tenantId,
    AZURE_CLIENT_ID: clientId,
    AZURE_FEDERATED_TOKEN_FILE: tokenFile,
    AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.com/',
    HTTPS_PROXY: azure.proxyUrl,
    SSL_CERT_FILE: azure.caFile,
    ...env,
  })
  const { port } = await eventually(() => {
    const line = lines.find((text) => text.includes('"msg":"listening"'))
    assert.ok(line !== undefined, lines.join('\n'))
    return JSON.parse(line) as { port: number }
  })
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    process: child,
    lines,
    ended,
    ask: (target, options) => ask(target, { port, ...options }),
    setToken: (token) => writeFileSync(tokenFile, token),
  }
}

/** One request whose target nothing has made tidy. */
export function ask(target: string, options: AskOptions & { port: number }): Promise<Answer> {
  const { method = 'GET', headers = { metadata: 'true' }, body, host = '127.0.0.1', port } = options
  return new Promise((resolve, reject) => {
    const outgoing = request({ agent: false, host, port, path: target, method, headers }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => {
        const { statusCode: status = 0, headers: answered } = response
        resolve({ status, headers: answered, text, json: jsonOf(text) })
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}

function jsonOf(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** What an application asks IMDS for. */
export function tokenTarget(query: Record<string, string>): string {
  return `/metadata/identity/oauth2/token?${new URLSearchParams({ 'api-version': '2018-02-01', ...query })}`
}

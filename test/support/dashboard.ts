import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { TestContext } from 'node:test'
import { cliCommand, cliEnvironment } from './run-cli.ts'

/** `keymount dashboard` as a user starts it. */
export interface OpenDashboard {
  /** As printed, with the token. */
  url: string
  origin: string
  port: number
  token: string
  pid: number
  /** What it has printed so far. */
  output(): string
  /** Exchanges the token as the page does; gives the headers of the session's requests. */
  signIn(): Promise<Record<string, string>>
  /** The lines of a stream until `enough` is true. */
  // biome-ignore lint/suspicious/noExplicitAny: messages of every shape
  lines(path: string, headers: Record<string, string>, enough: (lines: readonly any[]) => boolean): Promise<any[]>
  stop(): Promise<void>
}

/** @param cluster its kubeconfig, or the variables of a lab */
export async function openDashboard(
  t: Pick<TestContext, 'after'>,
  cluster: string | Readonly<Record<string, string>>,
  ...flags: string[]
): Promise<OpenDashboard> {
  const [program, ...words] = cliCommand
  const child = spawn(program, [...words, 'dashboard', '--json', ...flags], {
    env: { ...cliEnvironment(), ...(typeof cluster === 'string' ? { KUBECONFIG: cluster } : cluster) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  child.stderr.pipe(process.stderr, { end: false })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (data) => {
      output += String(data)
    })
  }
  const stop = async () => {
    if (child.exitCode !== null) return
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  t.after(stop)
  const [line] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => [''])])
  const { url } = JSON.parse(String(line)) as { url: string }
  const { origin, port, hash } = new URL(url)
  const token = hash.slice('#token='.length)
  return {
    url,
    origin,
    port: Number(port),
    token,
    pid: child.pid ?? 0,
    output: () => output,
    signIn: () => signIn(origin, token),
    lines: (path, headers, enough) => readLines(`${origin}${path}`, headers, enough),
    stop,
  }
}

async function signIn(origin: string, token: string): Promise<Record<string, string>> {
  const answer = await fetch(`${origin}/api/session`, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' },
    body: JSON.stringify({ token }),
  })
  if (!answer.ok) throw new Error(`the session was refused with ${answer.status}: ${await answer.text()}`)
  const { key } = (await answer.json()) as { key: string }
  const [cookie = ''] = answer.headers.getSetCookie()
  return { cookie: cookie.split(';')[0] ?? '', 'x-keymount-key': key }
}

async function readLines(
  url: string,
  headers: Record<string, string>,
  enough: (lines: readonly unknown[]) => boolean,
): Promise<unknown[]> {
  const abort = new AbortController()
  const { body, status } = await fetch(url, {
    headers,
    signal: AbortSignal.any([abort.signal, AbortSignal.timeout(30_000)]),
  })
  if (body === null || status !== 200) throw new Error(`${url}: status ${status}`)
  const lines: unknown[] = []
  let rest = ''
  for await (const chunk of body.pipeThrough(new TextDecoderStream())) {
    const parts = `${rest}${chunk}`.split('\n')
    rest = parts.pop() ?? ''
    lines.push(...parts.map((part) => JSON.parse(part) as unknown))
    if (enough(lines)) break
  }
  abort.abort()
  return lines
}

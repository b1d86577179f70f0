import { parseJson } from '#lib/formats'
import type { KubeConfig } from './kube-config.ts'
import { KubeError } from './kube-error.ts'
import { pathOf, resources } from './resources.ts'

export interface ExecRequest {
  namespace: string
  pod: string
  /** Default: the pod's only, or first, container. */
  container?: string | undefined
  command: readonly string[]
  /** Milliseconds for the whole exchange. Default 30,000. */
  timeoutMs?: number
}

export interface ExecResult {
  stdout: string
  stderr: string
  /** Exit status of the command. */
  code: number
}

/** First byte of each message. https://kubernetes.io/docs/reference/using-api/api-concepts/ and KEP-4006 */
const channel = { stdout: 1, stderr: 2, error: 3 } as const

interface ExecStatus {
  status?: string
  message?: string
  reason?: string
  details?: { causes?: { reason?: string; message?: string }[] }
}

/**
 * Runs a command in a container and gives what it printed, without standard input and without a terminal.
 * Rejects with {@link KubeError} when the API server or the node refuses; a command that fails is a result with its code.
 */
export async function execInPod(config: KubeConfig, request: ExecRequest): Promise<ExecResult> {
  const { namespace, pod, container, command, timeoutMs = 30_000 } = request
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' })
  if (container !== undefined) query.set('container', container)
  for (const word of command) query.append('command', word)
  const path = `${pathOf(resources.pods, { namespace, name: pod, subresource: 'exec' })}?${query}`
  const token = await config.token?.()
  const what = `exec in pod ${namespace}/${pod}`

  // Loaded only here: the daemons on the nodes never run commands in pods and need not carry it in memory.
  const { WebSocket } = await import('ws')
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${config.server.replace(/^http/, 'ws')}${path}`, 'v5.channel.k8s.io', {
      ...(config.ca === undefined ? {} : { ca: config.ca }),
      ...(config.cert === undefined ? {} : { cert: config.cert }),
      ...(config.key === undefined ? {} : { key: config.key }),
      ...(config.tlsServerName === undefined ? {} : { servername: config.tlsServerName }),
      rejectUnauthorized: config.insecureSkipTlsVerify !== true,
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    })
    const received: Record<number, Buffer[]> = { [channel.stdout]: [], [channel.stderr]: [], [channel.error]: [] }
    const text = (from: number) => Buffer.concat(received[from] ?? []).toString('utf8')
    const fail = (error: KubeError) => {
      clearTimeout(timer)
      socket.terminate()
      reject(error)
    }
    const timer = setTimeout(
      () => fail(new KubeError(`${what}: no end within ${timeoutMs} ms`, { status: 0 })),
      timeoutMs,
    )

    socket.on('message', (message: Buffer) => received[message[0] ?? -1]?.push(message.subarray(1)))
    socket.on('unexpected-response', (_request, response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => {
        const body = Buffer.concat(chunks).toString('utf8')
        fail(KubeError.fromResponse(what, response.statusCode ?? 0, body, response.headers['retry-after']))
      })
    })
    socket.on('error', (cause) => fail(new KubeError(`${what}: ${cause.message}`, { status: 0, cause })))
    socket.on('close', () => {
      clearTimeout(timer)
      try {
        resolve({
          stdout: text(channel.stdout),
          stderr: text(channel.stderr),
          code: exitCode(what, text(channel.error)),
        })
      } catch (error) {
        reject(error)
      }
    })
  })
}

/** Reads the Status that ends an exec. A connection that ended without one was cut off. */
function exitCode(what: string, text: string): number {
  if (text === '') throw new KubeError(`${what}: the connection ended before the command did`, { status: 0 })
  const status = parseJson(`the status that ends ${what}`, text) as ExecStatus
  if (status.status === 'Success') return 0
  const cause = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')
  if (cause === undefined) {
    const message = `${what}: ${status.message ?? text}`
    throw new KubeError(message, { status: 500, reason: status.reason ?? '' })
  }
  return Number(cause.message)
}

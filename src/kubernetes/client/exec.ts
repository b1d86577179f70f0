import type { IncomingMessage } from 'node:http'
import type { ConnectionOptions } from 'node:tls'
import type { ClientOptions, WebSocket } from 'ws'
import { parseJson, recordOf, stringOf, valueAt } from '#lib/formats'
import { readAll } from '#lib/http'
import type { KubeConfig } from './kube-config.ts'
import { KubeError } from './kube-error.ts'
import { pathOf, resources } from './resources.ts'

export interface ExecRequest {
  namespace: string
  pod: string
  /** Default: the pod's only, or first, container. */
  container?: string | undefined
  command: readonly string[]
  signal?: AbortSignal | undefined
  /** Milliseconds for the whole exchange. Default 30,000. */
  timeoutMs?: number | undefined
}

export interface ExecResult {
  stdout: string
  stderr: string
  /** Exit status of the command. */
  code: number
}

/** First byte of each message. https://kubernetes.io/docs/reference/using-api/api-concepts/ and KEP-4006 */
const channel = { stdout: 1, stderr: 2, error: 3 } as const

/** Bytes of output, both channels together, that a command may print. */
const maxOutputBytes = 16 * 1024 * 1024

/** The refusal of an API server is a Status. */
const maxRefusalBytes = 64 * 1024

/**
 * Runs a command in a container and returns its output, without standard input and without a terminal.
 * Rejects with {@link KubeError} when the API server or the node refuses, and with the reason of the signal; a command that
 * fails is a result with its code.
 */
export async function execInPod(config: KubeConfig, request: ExecRequest): Promise<ExecResult> {
  const { namespace, pod, signal, timeoutMs = 30_000 } = request
  signal?.throwIfAborted()
  const what = `exec in pod ${namespace}/${pod}`
  const socket = await openSocket(config, request)
  const abort = new AbortController()
  const timer = setTimeout(() => abort.abort(failure(what, `did not end within ${timeoutMs} ms`)), timeoutMs)
  const onAbort = () => abort.abort(signal?.reason)
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await converse(socket, what, abort.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', onAbort)
    socket.terminate()
  }
}

async function openSocket(config: KubeConfig, request: ExecRequest): Promise<WebSocket> {
  const { namespace, pod, container, command } = request
  const query = new URLSearchParams({ stdout: 'true', stderr: 'true' })
  if (container !== undefined) query.set('container', container)
  for (const word of command) query.append('command', word)
  const path = `${pathOf(resources.pods, { namespace, name: pod, subresource: 'exec' })}?${query}`
  const token = await config.token?.()

  const options: ClientOptions & Pick<ConnectionOptions, 'servername'> = {
    ca: config.ca,
    cert: config.cert,
    key: config.key,
    servername: config.tlsServerName,
    rejectUnauthorized: config.insecureSkipTlsVerify !== true,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    maxPayload: maxOutputBytes,
  }
  // Loaded only here: the daemons on the nodes never run commands in pods and need not hold it in memory.
  const { WebSocket } = await import('ws')
  return new WebSocket(`${config.server.replace(/^http/, 'ws')}${path}`, 'v5.channel.k8s.io', options)
}

/** Collects the output until the connection ends. Rejects with the signal's reason. */
function converse(socket: WebSocket, what: string, signal: AbortSignal): Promise<ExecResult> {
  return new Promise((resolve, reject) => {
    const received: Record<number, Buffer[]> = { [channel.stdout]: [], [channel.stderr]: [], [channel.error]: [] }
    let size = 0
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    socket.on('message', (message: Buffer) => {
      size += message.length
      if (size > maxOutputBytes) return reject(failure(what, `printed more than ${maxOutputBytes} bytes`))
      received[message[0] ?? -1]?.push(message.subarray(1))
    })
    socket.on('unexpected-response', (_request, response) => void refusal(what, response).then(reject, reject))
    socket.on('error', (cause) => reject(failure(what, cause.message, cause)))
    socket.on('close', () => {
      const text = (from: number) => Buffer.concat(received[from] ?? []).toString('utf8')
      const { stdout, stderr, error } = channel
      try {
        resolve({ stdout: text(stdout), stderr: text(stderr), code: exitCode(what, text(error)) })
      } catch (problem) {
        reject(problem)
      }
    })
  })
}

function failure(what: string, why: string, cause?: unknown): KubeError {
  return new KubeError(`${what}: ${why}`, { status: 0, cause })
}

async function refusal(what: string, response: IncomingMessage): Promise<KubeError> {
  const body = await readAll(response, what, maxRefusalBytes)
  return KubeError.fromResponse(what, response.statusCode ?? 0, body.toString('utf8'), response.headers['retry-after'])
}

/** Reads the Status that ends an exec. A connection that ended without one was cut off. */
function exitCode(what: string, text: string): number {
  if (text === '') throw failure(what, 'the connection ended before the command did')
  const status = recordOf(parseJson(`the status that ends ${what}`, text)) ?? {}
  if (status.status === 'Success') return 0
  const causes = valueAt(status, 'details', 'causes')
  const cause = Array.isArray(causes) ? causes.find((one) => valueAt(one, 'reason') === 'ExitCode') : undefined
  if (cause === undefined) {
    const message = `${what}: ${stringOf(status.message) ?? 'the command failed without a message'}`
    throw new KubeError(message, { status: 500, reason: stringOf(status.reason) })
  }
  return Number(valueAt(cause, 'message'))
}

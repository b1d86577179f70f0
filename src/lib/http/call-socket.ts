import { request } from 'node:http'
import { CodedError } from '#lib'
import { parseJson } from '#lib/formats'
import { exchange } from './exchange.ts'

export interface SocketCall {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  path: string
  /** Sent as JSON. */
  body?: unknown
  signal?: AbortSignal | undefined
  /** Time for the whole exchange, in milliseconds. Default 10,000. */
  timeoutMs?: number | undefined
}

/** An answer on a Unix socket that is not a success. `code` is the HTTP status. */
export class SocketCallError extends CodedError<number> {}

const maxBodyBytes = 16 * 1024 * 1024

/**
 * One exchange in JSON with a server on a Unix socket. Gives the answer parsed, undefined when it is empty. Rejects with
 * {@link SocketCallError} for every status but 2xx, and with `HttpFault` when there is no answer.
 */
export async function callSocket(socketPath: string, call: SocketCall): Promise<unknown> {
  const { method, path, body, signal, timeoutMs = 10_000 } = call
  const headers = { 'content-type': 'application/json' }
  const outgoing = {
    open: () => request({ socketPath, method, path, headers, agent: false }),
    host: socketPath,
    body: body === undefined ? undefined : JSON.stringify(body),
    signal,
  }
  const answer = await exchange(outgoing, { timeoutMs, maxBodyBytes })
  const text = answer.body.toString('utf8')
  if (answer.status >= 300) {
    throw new SocketCallError(answer.status, `${socketPath} answered ${answer.status} to ${method} ${path}: ${text}`)
  }
  return text === '' ? undefined : parseJson(`the answer of ${socketPath} to ${method} ${path}`, text)
}

import { request } from 'node:http'
import { parseJson } from '#lib/formats'

export interface SocketCall {
  method: 'GET' | 'PUT' | 'POST' | 'DELETE'
  path: string
  /** Sent as JSON. */
  body?: unknown
  /** Milliseconds of silence after which it is given up. Default 10 s. */
  timeoutMs?: number
}

/**
 * One exchange in JSON with a server on a Unix socket. Gives the answer parsed, undefined when it is empty. Throws for every
 * status but 2xx, with what the server said.
 */
export function callSocket(socketPath: string, call: SocketCall): Promise<unknown> {
  const { method, path, body, timeoutMs = 10_000 } = call
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' }
    const outgoing = request({ socketPath, method, path, headers, timeout: timeoutMs }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString('utf8')
        const { statusCode = 0 } = response
        if (statusCode >= 300) reject(new Error(`${socketPath} answered ${statusCode} to ${method} ${path}: ${text}`))
        else {
          try {
            resolve(text === '' ? undefined : parseJson(`the answer of ${socketPath}`, text))
          } catch (error) {
            reject(error)
          }
        }
      })
    })
    outgoing.on('timeout', () => outgoing.destroy(new Error(`${socketPath} did not answer ${method} ${path}`)))
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

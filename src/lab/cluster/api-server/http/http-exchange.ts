import type { IncomingMessage, ServerResponse } from 'node:http'
import { parse as parseYaml } from 'yaml'
import { ApiError, badRequest, statusOf, unsupportedMediaType } from '../api-error.ts'
import { decodeProtobuf } from './protobuf.ts'

/** The largest body that is read, as in a real API server. */
const maxBodyBytes = 3 * 1024 * 1024

/** Sends JSON; `contentType` where a client insists on a certain one. */
export function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  contentType = 'application/json',
): void {
  const bytes = Buffer.from(`${JSON.stringify(body)}\n`)
  response.writeHead(status, {
    'content-type': contentType,
    'content-length': bytes.length,
    'cache-control': 'no-cache, private',
  })
  response.end(bytes)
}

/** Sends what was thrown as a `Status`; after the headers are out, all that is left is to break the connection. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const status = statusOf(error)
  sendJson(response, status.code, status)
}

/** Adds a warning that kubectl prints. RFC 7234 section 5.5 */
export function addWarning(response: ServerResponse, text: string): void {
  response.appendHeader('warning', `299 - ${JSON.stringify(text.replaceAll(/[^\x20-\x7e]/g, '?'))}`)
}

/** The media type of a request's body, without parameters. */
export function mediaTypeOf(request: IncomingMessage): string {
  return (request.headers['content-type'] ?? 'application/json').split(';')[0]?.trim().toLowerCase() ?? ''
}

/** The object in a request's body; undefined when it is empty. Throws 400, 413 or 415. */
export async function readObject(request: IncomingMessage): Promise<unknown> {
  const body = await readBytes(request)
  if (body.length === 0) return undefined
  const type = mediaTypeOf(request)
  if (type === 'application/vnd.kubernetes.protobuf') return decodeProtobuf(body)
  if (type.endsWith('yaml')) return parse(body, (text) => parseYaml(text) as unknown)
  if (type.endsWith('json')) return parse(body, (text) => JSON.parse(text) as unknown)
  throw unsupportedMediaType(
    `the body of the request was in an unknown format (${type}) - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
  )
}

function parse(body: Buffer, read: (text: string) => unknown): unknown {
  try {
    return read(body.toString('utf8'))
  } catch (error) {
    throw badRequest(`the body of the request cannot be read: ${error instanceof Error ? error.message : error}`)
  }
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) {
      throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Whether the client likes a server-side table better than the objects. */
export function wantsTable(request: IncomingMessage): boolean {
  for (const range of (request.headers.accept ?? '').split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim())
    if (parameters.includes('as=Table')) return parameters.includes('v=v1')
    if (parameters.some((parameter) => parameter.startsWith('as='))) continue
    if (type === 'application/json' || type === '*/*') return false
  }
  return false
}

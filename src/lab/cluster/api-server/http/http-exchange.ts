import type { IncomingMessage, ServerResponse } from 'node:http'
import { parse as parseYaml } from 'yaml'
import { errorMessage } from '#lib'
import { parseJson } from '#lib/formats'
import { ApiError, badRequest, statusOf, tooManyRequests, unsupportedMediaType } from '../api-error.ts'
import { decodeProtobuf } from './protobuf.ts'

/** The largest body, as in a real API server. */
const maxBodyBytes = 3 * 1024 * 1024
const maxYamlBytes = 256 * 1024

/** The largest sum of bodies at one time. */
const maxBodiesBytes = 96 * 1024 * 1024

/** Sends JSON; `contentType` where a client requires a certain one. */
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

/** Sends what was thrown as a `Status`. When the headers are already sent, the connection is closed instead. */
export function sendError(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const status = statusOf(error)
  if (status.code === 429) response.setHeader('retry-after', '1')
  // The rest of the body is not read.
  if (status.code === 413 || status.code === 429) response.setHeader('connection', 'close')
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

/** Bytes of the bodies that are being read or decoded, for all requests of a server. */
export interface BodyBudget {
  inFlight: number
}

/** The object in a request's body; undefined when it is empty. Throws 400, 413, 415, or 429 while other bodies take all the memory that there is for them. */
export async function readObject({ bodies }: { bodies: BodyBudget }, request: IncomingMessage): Promise<unknown> {
  const size = Number(request.headers['content-length'] ?? maxBodyBytes)
  if (size > maxBodyBytes) throw tooLarge()
  if (bodies.inFlight + size > maxBodiesBytes) throw tooManyRequests()
  bodies.inFlight += size
  try {
    return decode(await readBytes(request), mediaTypeOf(request))
  } finally {
    bodies.inFlight -= size
  }
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBodyBytes) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const tooLarge = () => new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBodyBytes}`)

function decode(body: Buffer, type: string): unknown {
  if (body.length === 0) return undefined
  if (type === 'application/vnd.kubernetes.protobuf') return decodeProtobuf(body)
  if (type.endsWith('json')) return decodeJson(body)
  if (type.endsWith('yaml')) return decodeYaml(body)
  throw unsupportedMediaType(
    `the body of the request was in an unknown format (${type}) - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf`,
  )
}

/** Everything that walks an object does so recursively. */
const maxDepth = 500

function decodeJson(body: Buffer): unknown {
  try {
    return parseJson('the body of the request', body, { maxDepth })
  } catch (error) {
    throw badRequest(errorMessage(error))
  }
}

/** kubectl sends JSON as YAML; real YAML takes a hundred times as long, and so has a limit of its own. */
function decodeYaml(body: Buffer): unknown {
  if (body[0] === 0x7b) return decodeJson(body)
  if (body.length > maxYamlBytes) {
    throw new ApiError(413, 'RequestEntityTooLarge', `Request entity too large: limit for YAML is ${maxYamlBytes}`)
  }
  let value: unknown
  try {
    value = parseYaml(body.toString('utf8'), { logLevel: 'error' })
  } catch {
    // The error would quote the text.
    throw badRequest('the body of the request is not valid YAML')
  }
  return decodeJson(Buffer.from(JSON.stringify(value) ?? 'null'))
}

/** How a client wants to see objects: as they are, as a server-side table, or their metadata alone. */
export type ObjectForm = 'object' | 'table' | 'metadata'

const forms: Readonly<Record<string, ObjectForm>> = {
  'as=Table': 'table',
  'as=PartialObjectMetadata': 'metadata',
  'as=PartialObjectMetadataList': 'metadata',
}

/** The first form of the Accept header that we have. */
export function wantedForm(request: IncomingMessage): ObjectForm {
  for (const range of (request.headers.accept ?? '').split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim())
    const as = parameters.find((parameter) => parameter.startsWith('as='))
    const form = as === undefined ? undefined : forms[as]
    if (form !== undefined && parameters.includes('v=v1')) return form
    if (as === undefined && (type === 'application/json' || type === '*/*')) return 'object'
  }
  return 'object'
}

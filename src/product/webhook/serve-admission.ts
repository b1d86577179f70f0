import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { SecureVersion, TLSSocket } from 'node:tls'
import type { Running } from '#lib'
import type { ListenAddress } from '#lib/flags'
import { listen } from '#lib/http'
import { AdmissionDenied } from './admission-denied.ts'
import { type Admission, answerReview } from './answer-review.ts'
import { type BodyBudget, type BodyFault, createBodyBudget, type ReceivedBody } from './body-budget.ts'
import type { ServingCertificate } from './certificates/serving-certificate.ts'
import { webhookLimits } from './limits.ts'

export interface AdmissionServerOptions {
  address: ListenAddress
  minVersion: SecureVersion
  /** Which client certificates are accepted. Undefined: none is asked for. */
  clients: ClientCertificates | undefined
  /** By path. */
  admissions: Readonly<Record<string, Admission>>
}

/** Client certificates of the API server. */
export interface ClientCertificates {
  /** PEM of the authority that must have signed them. */
  ca: string
  /** Common names that are accepted; empty for any. */
  names: readonly string[]
}

export interface AdmissionServer extends Running {
  port: number
  /** For connections from now on; those that are open keep theirs. Before the first one, handshakes fail. */
  use(certificate: ServingCertificate): void
  /** Ends each connection with its next answer, so that clients turn to another replica. */
  drain(): void
}

interface Serving {
  options: AdmissionServerOptions
  bodies: BodyBudget
  draining: boolean
}

/** Serves admission requests over HTTPS. Rejects with `ListenError`. */
export async function serveAdmission(options: AdmissionServerOptions): Promise<AdmissionServer> {
  const serving: Serving = { options, bodies: createBodyBudget(webhookLimits.bodies.value), draining: false }
  const server = createServer(serverOptions(options), (request, response) => void serve(serving, request, response))
  // A client that hangs up, or does not speak TLS, is not our problem.
  server.on('tlsClientError', () => undefined)
  const listening = await listen(server, options.address, {
    drainMs: webhookLimits.request.value,
    maxConnections: webhookLimits.connections.value,
  })
  return {
    port: listening.port,
    use({ cert, key }) {
      const { ca, minVersion } = serverOptions(options)
      server.setSecureContext({ cert, key: Buffer.from(key.reveal()), ca, minVersion })
    },
    drain() {
      serving.draining = true
    },
    stop() {
      serving.draining = true
      return listening.stop()
    },
  }
}

/**
 * The API server's client keeps idle connections for 90 s. They must not end first on our side: it does not repeat a POST
 * that meets a closing connection, and the pod would be refused.
 */
const keepAliveMs = 150_000

function serverOptions({ minVersion, clients }: AdmissionServerOptions) {
  return {
    minVersion,
    // Whether a certificate is accepted decides when a request comes: probes make handshakes only. Without a list of
    // authorities Node would load all its root certificates.
    ca: clients === undefined ? [] : [clients.ca],
    requestCert: clients !== undefined,
    rejectUnauthorized: false,
    handshakeTimeout: 5000,
    headersTimeout: 5000,
    requestTimeout: webhookLimits.request.value,
    connectionsCheckingInterval: 1000,
    keepAliveTimeout: keepAliveMs,
  }
}

/** Answers one request. Never rejects. */
async function serve(serving: Serving, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { admissions, clients } = serving.options
  const path = request.url?.split('?')[0] ?? ''
  const admission = Object.hasOwn(admissions, path) ? admissions[path] : undefined
  if (admission === undefined) {
    return sendText(response, 404, `no such path; there are ${Object.keys(admissions).join(', ')}\n`)
  }
  if (!isAccepted(request.socket as TLSSocket, clients)) {
    return sendText(response, 403, 'a client certificate of the API server is required (--client-ca-file)\n')
  }
  const body = await serving.bodies.receive(request, webhookLimits.body.value)
  if (body === 'no-room') {
    return sendText(response, 503, 'the bodies of other requests take all the memory there is for them\n', {
      'retry-after': '1',
    })
  }
  try {
    const json = await answerReview(admission, received(request, body))
    sendJson(response, json, serving.draining || typeof body === 'string')
  } finally {
    if (typeof body !== 'string') body.release()
  }
}

function isAccepted(socket: TLSSocket, clients: ClientCertificates | undefined): boolean {
  if (clients === undefined) return true
  if (!socket.authorized) return false
  const { CN: name } = socket.getPeerCertificate().subject
  return clients.names.length === 0 || clients.names.includes(String(name))
}

function received({ headers }: IncomingMessage, body: ReceivedBody | Exclude<BodyFault, 'no-room'>) {
  if (body === 'broken-off') return new AdmissionDenied('the request ended before its body')
  if (body !== 'too-large') return { contentType: headers['content-type'] ?? '', body: body.bytes }
  const { value } = webhookLimits.body
  return new AdmissionDenied(`request entity is too large; limit is ${value} bytes`, 413)
}

/** @param close ends the connection after this answer. */
function sendJson(response: ServerResponse, json: string, close: boolean): void {
  if (close) response.setHeader('connection', 'close')
  const length = Buffer.byteLength(json)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': length })
  // A text of ASCII is the same in both encodings, and is written faster in this one.
  response.end(json, length === json.length ? 'latin1' : 'utf8')
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'text/plain', connection: 'close', ...headers }).end(text)
}

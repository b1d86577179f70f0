import { randomUUID } from 'node:crypto'
import { createServer } from 'node:https'
import type { Socket } from 'node:net'
import type { SecureContext } from 'node:tls'
import { getRequestListener } from '@hono/node-server'
import { type Clock, errorMessage, type Log, sleep } from '../../lib/index.ts'
import { type Exchange, json, type Refusal, type Service } from '../http/service.ts'
import { StateWriteError } from '../records/record-store.ts'
import type { Fault, Traffic } from '../traffic/traffic.ts'

export interface FrontDoorOptions {
  certificateFor: (host: string) => Promise<SecureContext>
  /** The service behind a host, or undefined. */
  serviceFor: (host: string) => Service | undefined
  traffic: Traffic
  clock: Clock
  log: Log
}

/** The TLS server in which all tunnels end: a certificate by SNI, a service by Host header. */
export function createFrontDoor(options: FrontDoorOptions) {
  const { certificateFor, serviceFor, traffic, clock, log } = options

  async function answer(request: Request): Promise<Response> {
    const startedAt = clock.now()
    const url = new URL(request.url)
    const exchange: Exchange = { host: url.hostname, url, requestId: randomUUID(), operation: 'unknown' }
    const response = await dispatch(request, exchange)
    traffic.count(exchange.operation)
    if (traffic.delayMs > 0) await sleep(traffic.delayMs, { clock })
    if (log.isLevelEnabled('debug')) {
      const { host, operation } = exchange
      log.debug({ host, operation, status: response.status, durationMs: clock.now() - startedAt }, 'answered')
    }
    return response
  }

  async function dispatch(request: Request, exchange: Exchange): Promise<Response> {
    const service = serviceFor(exchange.host)
    if (service === undefined) {
      exchange.operation = 'misdirected'
      return json(421, {
        error: { code: 'MisdirectedRequest', message: `The local Azure does not serve the host ${exchange.host}` },
      })
    }
    const fault = traffic.faultOf(exchange.host)
    if (fault !== undefined) {
      exchange.operation = `fault.${fault.kind}`
      return service.refuse(refusalOfFault(fault), exchange)
    }
    try {
      return await service.fetch(request, exchange)
    } catch (error) {
      log.error({ err: error, host: exchange.host, operation: exchange.operation }, 'request failed')
      return service.refuse(refusalOfError(error), exchange)
    }
  }

  const server = createServer(
    {
      // Azure's load balancers hold an idle connection for four minutes; clients with a pool count on it.
      keepAliveTimeout: 240_000,
      SNICallback: (host, done) => {
        certificateFor(host.toLowerCase()).then(
          (context) => done(null, context),
          (error: Error) => done(error),
        )
      },
    },
    getRequestListener(answer),
  )
  server.on('tlsClientError', (error) => log.debug({ err: error }, 'TLS handshake failed'))

  return {
    accept: (socket: Socket) => void server.emit('connection', socket),
    stop() {
      server.closeAllConnections()
    },
  }
}

function refusalOfFault(fault: Fault): Refusal {
  if (fault.kind === 'throttle') {
    return {
      status: 429,
      code: 'Throttled',
      message:
        'Request was not processed because too many requests were received. (A fault set through the control socket.)',
      headers: { 'retry-after': String(fault.retryAfterSeconds) },
    }
  }
  const status = fault.kind === 'error' ? fault.status : 503
  return {
    status,
    code: status < 500 ? 'BadRequest' : 'InternalServerError',
    message: 'A fault set through the control socket.',
  }
}

function refusalOfError(error: unknown): Refusal {
  if (error instanceof StateWriteError) return { status: 507, code: 'InsufficientStorage', message: error.message }
  return { status: 500, code: 'InternalServerError', message: `The local Azure failed: ${errorMessage(error)}` }
}

import { randomUUID } from 'node:crypto'
import { type Clock, errorMessage, type Log, sleep } from '#lib'
import { StateWriteError } from '../records/record-store.ts'
import type { Fault, Traffic } from '../traffic/traffic.ts'
import { type Exchange, json, type Refusal, type Service } from './service.ts'

export interface DispatchOptions {
  /** The host that a request is for; default: that of its URL. */
  hostOf?: (url: URL) => string
  /** The service behind a host, or undefined. */
  serviceFor: (host: string) => Service | undefined
  traffic: Traffic
  clock: Clock
  log: Log
}

/** What happens to every request, whatever server it came in by: fault or service, then count, delay and log. Never throws. */
export function createDispatch(options: DispatchOptions): (request: Request) => Promise<Response> {
  const { hostOf = ({ hostname }) => hostname, serviceFor, traffic, clock, log } = options

  async function answer(request: Request, exchange: Exchange): Promise<Response> {
    const { host } = exchange
    const service = serviceFor(host)
    if (service === undefined) {
      exchange.operation = 'misdirected'
      return json(421, {
        error: { code: 'MisdirectedRequest', message: `The local Azure does not serve the host ${host}` },
      })
    }
    const fault = traffic.faultOf(host)
    if (fault !== undefined) {
      exchange.operation = `fault.${fault.kind}`
      return service.refuse(refusalOfFault(fault), exchange)
    }
    try {
      return await service.fetch(request, exchange)
    } catch (error) {
      log.error({ err: error, host, operation: exchange.operation }, 'request failed')
      return service.refuse(refusalOfError(error), exchange)
    }
  }

  return async (request) => {
    const startedAt = clock.now()
    const url = new URL(request.url)
    const exchange: Exchange = { host: hostOf(url), url, requestId: randomUUID(), operation: 'unknown' }
    const response = await answer(request, exchange)
    const { host, operation } = exchange
    traffic.count(operation)
    if (traffic.delayMs > 0) await sleep(traffic.delayMs, { clock })
    if (log.isLevelEnabled('debug')) {
      log.debug({ host, operation, status: response.status, durationMs: clock.now() - startedAt }, 'answered')
    }
    return response
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
  const code = status < 500 ? 'BadRequest' : 'InternalServerError'
  return { status, code, message: 'A fault set through the control socket.' }
}

function refusalOfError(error: unknown): Refusal {
  if (error instanceof StateWriteError) return { status: 507, code: 'InsufficientStorage', message: error.message }
  return { status: 500, code: 'InternalServerError', message: `The local Azure failed: ${errorMessage(error)}` }
}

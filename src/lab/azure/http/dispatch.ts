import { randomUUID } from 'node:crypto'
import { type Clock, errorMessage, type Log, sleep } from '#lib'
import { StateWriteError } from '../records/record-store.ts'
import type { Fault, Traffic } from '../traffic/traffic.ts'
import { Refusal } from './refusal.ts'
import { type Exchange, json, type Service } from './service.ts'

export interface DispatchOptions {
  /** The host that a request is for. Default: the host of its URL. */
  hostOf?: ((url: URL) => string) | undefined
  /** The service behind a host, or undefined. */
  serviceFor: (host: string) => Service | undefined
  traffic: Traffic
  clock: Clock
  log: Log
}

/** Handles every request, whichever server it came in through: fault or service, then count, delay and log. Never throws. */
export function createDispatch(options: DispatchOptions): (request: Request) => Promise<Response> {
  const { hostOf = ({ hostname }) => hostname, traffic, clock, log } = options
  return async (request) => {
    const startedAt = clock.elapsed()
    const url = new URL(request.url)
    const exchange: Exchange = { host: hostOf(url), url, requestId: randomUUID(), operation: 'unknown' }
    const response = await answer(options, request, exchange)
    const { host, operation } = exchange
    traffic.count(operation)
    if (traffic.delayMs > 0) await sleep(traffic.delayMs, { clock })
    if (log.isLevelEnabled('debug')) {
      log.debug(
        { host, operation, status: response.status, durationMs: Math.round(clock.elapsed() - startedAt) },
        'answered',
      )
    }
    return response
  }
}

async function answer(options: DispatchOptions, request: Request, exchange: Exchange): Promise<Response> {
  const { host } = exchange
  const service = options.serviceFor(host)
  if (service === undefined) {
    exchange.operation = 'misdirected'
    const message = `The local Azure does not serve the host ${host}`
    return json(421, { error: { code: 'MisdirectedRequest', message } })
  }
  const fault = options.traffic.faultOf(host)
  if (fault !== undefined) {
    exchange.operation = `fault.${fault.kind}`
    return service.refuse(refusalOfFault(fault), exchange)
  }
  try {
    return await service.fetch(request, exchange)
  } catch (error) {
    if (error instanceof Refusal) return service.refuse(error, exchange)
    options.log.error({ err: error, host, operation: exchange.operation }, 'request failed')
    return service.refuse(refusalOfFailure(error), exchange)
  }
}

function refusalOfFault(fault: Fault): Refusal {
  if (fault.kind === 'throttle') {
    const text =
      'Request was not processed because too many requests were received. (A fault set through the control socket.)'
    return new Refusal(429, 'Throttled', text, { headers: { 'retry-after': String(fault.retryAfterSeconds) } })
  }
  const status = fault.kind === 'error' ? fault.status : 503
  const code = status < 500 ? 'BadRequest' : 'InternalServerError'
  return new Refusal(status, code, 'A fault set through the control socket.')
}

function refusalOfFailure(error: unknown): Refusal {
  if (error instanceof StateWriteError) return new Refusal(507, 'InsufficientStorage', error.message)
  return new Refusal(500, 'InternalServerError', `The local Azure failed: ${errorMessage(error)}`)
}

import { type Clock, systemClock } from '#lib'
import { createRetryingSend, type HttpRequest, type HttpSend } from '#lib/http'
import type { AzureCloud } from './azure-cloud.ts'
import { type AzureService, createAzureService } from './azure-service.ts'
import type { AzureTokens } from './entra-tokens.ts'
import { mayRepeatFault, mayRepeatPost } from './repeat.ts'

export interface AzureClientOptions {
  cloud: AzureCloud
  /** Gives the token of each call. */
  tokens: AzureTokens
  /** Reaches Azure, without retries of its own: `createHttpClient(…).send`, with a timeout of a minute. */
  send: HttpSend
  clock?: Clock | undefined
  /** Ends every call that has no signal of its own. */
  signal?: AbortSignal | undefined
  /** Longest time that one request may take with all its repetitions, in milliseconds. Default a minute. */
  deadlineMs?: number | undefined
  /** Longest wait for the end of a long operation, in milliseconds. Default 30 minutes. */
  operationTimeoutMs?: number | undefined
  /** Called when a host answers 429 or 503, with the time that it asked for. */
  onThrottled?: ((host: string, retryAfterMs: number) => void) | undefined
}

/** Azure as one signed-in caller sees it. It holds nothing that has to be stopped. */
export interface AzureClient {
  readonly cloud: AzureCloud
  /**
   * Azure Resource Manager. Paths begin with a slash: `/subscriptions/…`; `apiVersion` is required by Azure. A PUT, PATCH,
   * POST or DELETE that Azure continues after its answer is awaited to its end.
   */
  readonly resourceManager: AzureService
  /** Microsoft Graph v1.0. Paths begin with a slash: `/applications`. */
  readonly graph: AzureService
  /** Any other service that takes Entra tokens, for example a vault: its base URL, and the resource of its tokens. */
  service(base: URL, resource: string): AzureService
}

export function createAzureClient(options: AzureClientOptions): AzureClient {
  const { cloud, tokens, clock = systemClock, signal, operationTimeoutMs = 30 * 60_000 } = options
  const send = createPatientSend({ ...options, clock })
  const service = (base: URL, resource: string, noContentMeansGone = false) =>
    createAzureService({ base, resource, noContentMeansGone, tokens, send, clock, signal, operationTimeoutMs })
  return {
    cloud,
    resourceManager: service(new URL(cloud.resourceManager), cloud.resourceManager, true),
    graph: service(new URL(`${cloud.graph}/v1.0`), cloud.graph),
    service: (base, resource) => service(base, resource),
  }
}

/**
 * Azure counts reads and writes apart and throttles them apart, so they wait apart. A POST makes something new each time: it
 * is repeated only when it certainly had no effect.
 * https://learn.microsoft.com/azure/azure-resource-manager/management/request-limits-and-throttling
 */
function createPatientSend(options: AzureClientOptions & { clock: Clock }): HttpSend {
  const { send, clock, deadlineMs, onThrottled } = options
  const common = { send, clock, deadlineMs, onThrottled }
  const read = createRetryingSend(common)
  const write = createRetryingSend(common)
  const create = createRetryingSend({ ...common, retryable: mayRepeatPost, retryableFault: mayRepeatFault })
  const sendOf: Partial<Record<NonNullable<HttpRequest['method']>, HttpSend>> = { GET: read, POST: create }
  return (request) => (sendOf[request.method ?? 'GET'] ?? write)(request)
}

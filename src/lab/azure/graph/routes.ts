import { z } from 'zod'
import type { Clock } from '#lib'
import type { Directory } from '../directory/directory.ts'
import type { AccessTokens } from '../entra/access-tokens.ts'
import { describeGap } from '../http/known-gaps.ts'
import { Refusal } from '../http/refusal.ts'
import { type RoutedRequest, routeOperations } from '../http/route-operations.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import { authenticate } from './authenticate.ts'
import { graphErrorResponse } from './error-response.ts'
import type { GraphAnswer, GraphOperation } from './operation.ts'

export interface GraphOptions {
  cloud: Cloud
  directory: Directory
  tokens: AccessTokens
  audiences: readonly string[]
  operations: readonly GraphOperation[]
  clock: Clock
}

/** Microsoft Graph: the directory over HTTP, for callers with a directory role. Behind `graph.microsoft.com`. */
export function createGraph(options: GraphOptions): Service {
  return {
    operations: options.operations,
    fetch: routeOperations({
      operations: options.operations,
      answer: (routed) => answerRequest(options, routed),
    }),
    refuse: (refusal, { requestId }) => graphErrorResponse(refusal, options.clock.now(), requestId),
  }
}

/** Everything that happens to a request, in order. */
async function answerRequest(options: GraphOptions, routed: RoutedRequest<GraphOperation>): Promise<Response> {
  const { request, exchange, operation, names } = routed
  exchange.operation = 'graph.unauthenticated'
  const callerId = await authenticate(request, options.tokens, options.audiences)
  if (operation === undefined) throw notImplemented(request, exchange)
  exchange.operation = operation.operation
  checkRole(options.directory, callerId)
  const answer = await operation.run({
    callerId,
    name: (parameter) => names[parameter] ?? '',
    url: exchange.url,
    body: (schema) => readBody(request, schema),
  })
  return responseOf(answer, options.cloud)
}

function notImplemented(request: Request, exchange: Exchange): Refusal {
  exchange.operation = 'graph.notImplemented'
  const gap = describeGap('graph', request.method, exchange.url.pathname)
  return new Refusal(501, 'NotImplemented', `The local Azure does not implement ${gap} of Microsoft Graph.`)
}

function checkRole(directory: Directory, callerId: string): void {
  if (directory.hasDirectoryRole(callerId)) return
  throw new Refusal(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
}

async function readBody<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  const body: unknown = await request.json().catch(() => undefined)
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new Refusal(400, 'Request_BadRequest', z.prettifyError(parsed.error))
}

function responseOf(answer: GraphAnswer, cloud: Cloud): Response {
  if (!('body' in answer)) return new Response(null, { status: answer.status })
  const context = `https://${cloud.graph}/v1.0/$metadata#${answer.context}`
  return json(answer.status, { '@odata.context': context, ...answer.body })
}

import { Hono } from 'hono'
import { z } from 'zod'
import type { Clock } from '#lib'
import type { Directory } from '../directory/directory.ts'
import type { AccessTokens } from '../entra/access-tokens.ts'
import { describeGap } from '../http/known-gaps.ts'
import { type Exchange, json, type Service } from '../http/service.ts'
import type { Cloud } from '../proxy/clouds.ts'
import { authenticate } from './authenticate.ts'
import { GraphError, graphErrorResponse } from './error-response.ts'
import type { GraphOperation } from './operation.ts'

export interface GraphOptions {
  cloud: Cloud
  directory: Directory
  tokens: AccessTokens
  audiences: readonly string[]
  operations: readonly GraphOperation[]
  clock: Clock
}

/** Microsoft Graph: the directory over HTTP, for those who hold a directory role. Behind `graph.microsoft.com`. */
export function createGraph({ cloud, directory, tokens, audiences, operations, clock }: GraphOptions): Service {
  const app = new Hono<{ Bindings: { exchange: Exchange; callerId: string } }>({ strict: false })
  for (const { operation, method, path, run } of operations) {
    app.on(method, path, async (c) => {
      const { exchange, callerId } = c.env
      exchange.operation = operation
      checkRole(callerId)
      const answer = await run({
        callerId,
        name: (parameter) => c.req.param(parameter) ?? '',
        url: exchange.url,
        body: (schema) => readBody(c.req.raw, schema),
      })
      if (!('body' in answer)) return new Response(null, { status: answer.status })
      const context = `https://${cloud.graph}/v1.0/$metadata#${answer.context}`
      return json(answer.status, { '@odata.context': context, ...answer.body })
    })
  }
  app.notFound((c) => {
    c.env.exchange.operation = 'graph.notImplemented'
    throw new GraphError(
      501,
      'NotImplemented',
      `The local Azure does not implement ${describeGap('graph', c.req.method, c.req.path)} of Microsoft Graph.`,
    )
  })
  app.onError((error) => {
    throw error
  })

  function checkRole(callerId: string): void {
    if (directory.hasDirectoryRole(callerId)) return
    throw new GraphError(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
  }
  const respond = (error: GraphError, { requestId }: Exchange) => graphErrorResponse(error, clock.now(), requestId)

  return {
    operations,
    async fetch(request, exchange) {
      try {
        exchange.operation = 'graph.unauthenticated'
        const callerId = await authenticate(request, tokens, audiences)
        return await app.fetch(request, { exchange, callerId })
      } catch (error) {
        if (error instanceof GraphError) return respond(error, exchange)
        throw error
      }
    },
    refuse: ({ status, code, message, headers }, exchange) =>
      respond(new GraphError(status, code, message, headers), exchange),
  }
}

async function readBody<T extends z.ZodType>(request: Request, schema: T): Promise<z.output<T>> {
  const body: unknown = await request.json().catch(() => undefined)
  const parsed = schema.safeParse(body)
  if (parsed.success) return parsed.data
  throw new GraphError(400, 'Request_BadRequest', z.prettifyError(parsed.error))
}

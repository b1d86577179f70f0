import { Hono } from 'hono'
import type { Exchange, Service } from './service.ts'

/** A request after its path was matched. */
export interface RoutedRequest<Operation> {
  request: Request
  exchange: Exchange
  /** Undefined when no operation has this path. */
  operation: Operation | undefined
  /** The names in the path, by parameter. */
  names: Readonly<Record<string, string>>
}

export interface RouterOptions<Operation> {
  operations: readonly Operation[]
  /** The path to match; a slash at the end counts only when this is given. */
  pathOf?: (url: URL) => string
  answer(routed: RoutedRequest<Operation>): Promise<Response>
}

/** Matches requests with the operations' methods and paths. Every request is answered in one place, also an unknown one. */
export function routeOperations<Operation extends { method: string; path: string }>({
  operations,
  pathOf,
  answer,
}: RouterOptions<Operation>): Service['fetch'] {
  const app = new Hono<{ Bindings: Exchange }>(
    pathOf === undefined ? { strict: false } : { getPath: ({ url }) => pathOf(new URL(url)) },
  )
  for (const operation of operations) {
    const isHead = operation.method === 'HEAD'
    // Hono hands HEAD to the handlers of GET; here it is an operation of its own.
    app.on(isHead ? 'GET' : operation.method, operation.path, (c, next) => {
      if ((c.req.method === 'HEAD') !== isHead) return next()
      const names = c.req.param() as Record<string, string>
      return answer({ request: c.req.raw, exchange: c.env, operation, names })
    })
  }
  app.notFound((c) => answer({ request: c.req.raw, exchange: c.env, operation: undefined, names: {} }))
  app.onError((error) => {
    throw error
  })
  return async (request, exchange) => app.fetch(request, exchange)
}

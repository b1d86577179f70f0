import { Hono } from 'hono'
import type { Clock } from '#lib'
import type { Tenant } from '../directory/tenant.ts'
import { describeGap } from '../http/known-gaps.ts'
import type { Exchange, Refusal, Service } from '../http/service.ts'
import { EntraError, entraErrorResponse } from './error-response.ts'
import type { EntraOperation } from './operation.ts'

export interface EntraOptions {
  tenant: Tenant
  operations: readonly EntraOperation[]
  clock: Clock
}

/** Microsoft Entra ID: discovery, keys and tokens. Behind `login.microsoftonline.com`. */
export function createEntra({ tenant, operations, clock }: EntraOptions): Service {
  const app = new Hono<{ Bindings: Exchange }>({ strict: false })
  for (const { operation, method, path, run } of operations) {
    app.on(method, path, async (c) => {
      c.env.operation = operation
      const segment = c.req.param('tenant')?.toLowerCase() ?? ''
      checkTenant(segment)
      return run({ tenant: segment, url: c.env.url, form: async () => new URLSearchParams(await c.req.text()) })
    })
  }
  app.notFound((c) => {
    c.env.operation = 'entra.notImplemented'
    const message = `The local Azure does not implement ${describeGap('entra', c.req.method, c.req.path)} of Microsoft Entra ID.`
    throw new EntraError(501, 'not_implemented', 90093, message)
  })
  app.onError((error) => {
    throw error
  })

  function checkTenant(segment: string): void {
    if ([tenant.tenantId, tenant.domain, 'common', 'organizations'].includes(segment)) return
    throw new EntraError(
      400,
      'invalid_tenant',
      90002,
      `Tenant '${segment}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
    )
  }

  function respond(error: EntraError, { url, requestId }: Exchange): Response {
    return entraErrorResponse(error, clock.now(), requestId, url.searchParams.get('client-request-id') ?? requestId)
  }

  return {
    operations,
    async fetch(request, exchange) {
      try {
        return await app.fetch(request, exchange)
      } catch (error) {
        if (error instanceof EntraError) return respond(error, exchange)
        throw error
      }
    },
    refuse(refusal, exchange) {
      const response = respond(errorOfRefusal(refusal), exchange)
      for (const [name, value] of Object.entries(refusal.headers ?? {})) response.headers.set(name, value)
      return response
    },
  }
}

function errorOfRefusal({ status, message }: Refusal): EntraError {
  if (status === 429) return new EntraError(status, 'temporarily_unavailable', 90025, message)
  if (status >= 500) return new EntraError(status, 'temporarily_unavailable', 90033, message)
  return new EntraError(status, 'invalid_request', 90100, message)
}

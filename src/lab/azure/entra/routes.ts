import { Hono } from 'hono'
import type { Clock } from '#lib'
import type { Tenant } from '../directory/tenant.ts'
import { describeGap } from '../http/known-gaps.ts'
import type { Exchange, Service } from '../http/service.ts'
import { asEntraRefusal, EntraRefusal, entraErrorResponse } from './error-response.ts'
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
      checkTenant(tenant, segment)
      return run({ tenant: segment, url: c.env.url, form: async () => new URLSearchParams(await c.req.text()) })
    })
  }
  app.notFound((c) => {
    c.env.operation = 'entra.notImplemented'
    const message = `The local Azure does not implement ${describeGap('entra', c.req.method, c.req.path)} of Microsoft Entra ID.`
    throw new EntraRefusal(501, 'not_implemented', 90093, message)
  })
  app.onError((error) => {
    throw error
  })

  return {
    operations,
    fetch: async (request, exchange) => app.fetch(request, exchange),
    refuse(refusal, { url, requestId }) {
      const correlationId = url.searchParams.get('client-request-id') ?? requestId
      return entraErrorResponse(asEntraRefusal(refusal), clock.now(), requestId, correlationId)
    },
  }
}

function checkTenant({ tenantId, domain }: Tenant, segment: string): void {
  if ([tenantId, domain, 'common', 'organizations'].includes(segment)) return
  throw new EntraRefusal(
    400,
    'invalid_tenant',
    90002,
    `Tenant '${segment}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.`,
  )
}

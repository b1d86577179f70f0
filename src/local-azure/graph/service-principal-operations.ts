import { z } from 'zod'
import type { Directory, ServicePrincipal } from '../directory/directory.ts'
import { GraphError } from './error-response.ts'
import { filtered, type GraphOperation } from './operation.ts'

const byIdsBody = z.object({ ids: z.array(z.string()).max(1000), types: z.array(z.string()).optional() })

/** Looking up who can be granted access. https://learn.microsoft.com/graph/api/resources/serviceprincipal */
export function servicePrincipalOperations(options: { tenantId: string; directory: Directory }): GraphOperation[] {
  const { tenantId, directory } = options
  const render = (principal: ServicePrincipal) => renderPrincipal(principal, tenantId)

  return [
    {
      operation: 'graph.me',
      method: 'GET',
      path: '/v1.0/me',
      run() {
        // Every token of the lab belongs to an application or a managed identity, so nobody has a "me".
        throw new GraphError(400, 'BadRequest', '/me request is only valid with delegated authentication flow.')
      },
    },
    {
      operation: 'graph.servicePrincipal.list',
      method: 'GET',
      path: '/v1.0/servicePrincipals',
      run({ url }) {
        const value = filtered(url, [...directory.servicePrincipals()].map(render))
        return { status: 200, context: 'servicePrincipals', body: { value } }
      },
    },
    {
      operation: 'graph.servicePrincipal.get',
      method: 'GET',
      path: '/v1.0/servicePrincipals/:id',
      run(call) {
        const principal = directory.servicePrincipal(call.name('id'))
        if (principal === undefined) throw notFound(call.name('id'))
        return { status: 200, context: 'servicePrincipals/$entity', body: render(principal) }
      },
    },
    {
      operation: 'graph.directoryObject.getByIds',
      method: 'POST',
      path: '/v1.0/directoryObjects/getByIds',
      async run(call) {
        const { ids } = await call.body(byIdsBody)
        const found = ids.flatMap((id) => directory.servicePrincipal(id) ?? [])
        const value = found.map((principal) => ({
          '@odata.type': '#microsoft.graph.servicePrincipal',
          ...render(principal),
        }))
        return { status: 200, context: 'directoryObjects', body: { value } }
      },
    },
  ]
}

function renderPrincipal(principal: ServicePrincipal, tenantId: string) {
  const { id, appId, displayName, servicePrincipalType, accountEnabled, createdDateTime, resourceId } = principal
  const isApplication = servicePrincipalType === 'Application'
  return {
    id,
    accountEnabled,
    alternativeNames: resourceId === undefined ? [] : ['isExplicit=True', resourceId],
    appDisplayName: isApplication ? displayName : null,
    appId,
    appOwnerOrganizationId: isApplication ? tenantId : null,
    createdDateTime,
    displayName,
    servicePrincipalNames: [appId],
    servicePrincipalType,
    keyCredentials: [],
    passwordCredentials: [],
  }
}

function notFound(id: string): GraphError {
  return new GraphError(
    404,
    'Request_ResourceNotFound',
    `Resource '${id}' does not exist or one of its queried reference-property objects are not present.`,
  )
}

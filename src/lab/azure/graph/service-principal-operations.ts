import { z } from 'zod'
import type { Directory, ServicePrincipal } from '../directory/directory.ts'
import { Refusal } from '../http/refusal.ts'
import type { RecordStore } from '../records/record-store.ts'
import { keyCredentialsSchema, renderCredentials, settleKeys } from './credentials-body.ts'
import { alreadyInUse, resourceNotFound } from './error-response.ts'
import { filtered, type GraphCall, type GraphOperation } from './operation.ts'

export interface ServicePrincipalOptions {
  store: RecordStore
  tenantId: string
  directory: Directory
}

const createBody = z.object({ appId: z.string().min(1), accountEnabled: z.boolean().optional() })
const updateBody = z.strictObject({ accountEnabled: z.boolean().optional(), keyCredentials: keyCredentialsSchema })
const byIdsBody = z.object({ ids: z.array(z.string()).max(1000), types: z.array(z.string()).optional() })

/** Who can be granted access: applications and managed identities. https://learn.microsoft.com/graph/api/resources/serviceprincipal */
export function servicePrincipalOperations(options: ServicePrincipalOptions): GraphOperation[] {
  const { store, tenantId, directory } = options
  const render = (principal: ServicePrincipal) =>
    renderPrincipal(principal, tenantId, directory.application(principal.appId)?.identifierUris)

  function existing(call: GraphCall): ServicePrincipal {
    const principal = directory.servicePrincipal(call.name('id'))
    if (principal === undefined) throw resourceNotFound(call.name('id'))
    return principal
  }

  /** The principal of an application. That of a managed identity lives and dies with its resource. */
  function changeable(call: GraphCall): ServicePrincipal {
    const principal = existing(call)
    if (principal.servicePrincipalType === 'Application') return principal
    throw new Refusal(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
  }

  return [
    {
      operation: 'graph.me',
      method: 'GET',
      path: '/v1.0/me',
      run() {
        // Every token of the lab belongs to an application or a managed identity, so nobody has a "me".
        throw new Refusal(400, 'BadRequest', '/me request is only valid with delegated authentication flow.')
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
      run: (call) => ({ status: 200, context: 'servicePrincipals/$entity', body: render(existing(call)) }),
    },
    {
      operation: 'graph.servicePrincipal.create',
      method: 'POST',
      path: '/v1.0/servicePrincipals',
      async run(call) {
        const { appId, accountEnabled = true } = await call.body(createBody)
        const application = directory.application(appId)
        if (application === undefined) {
          const message = `The appId '${appId}' of the service principal does not reference a valid application object.`
          throw new Refusal(400, 'Request_BadRequest', message)
        }
        if (directory.servicePrincipalOfApp(appId) !== undefined) {
          throw alreadyInUse(
            `The service principal cannot be created, updated, or restored because the service principal name ${appId} is already in use.`,
          )
        }
        const { principal, changes } = directory.addPrincipal(application)
        store.commit([...changes, directory.putPrincipal({ ...principal, accountEnabled })])
        return { status: 201, context: 'servicePrincipals/$entity', body: render({ ...principal, accountEnabled }) }
      },
    },
    {
      operation: 'graph.servicePrincipal.update',
      method: 'PATCH',
      path: '/v1.0/servicePrincipals/:id',
      async run(call) {
        const before = changeable(call)
        const { accountEnabled, keyCredentials } = await call.body(updateBody)
        const principal: ServicePrincipal = {
          ...before,
          accountEnabled: accountEnabled ?? before.accountEnabled,
          keys: keyCredentials === undefined ? before.keys : settleKeys(keyCredentials, before.keys ?? []),
        }
        store.commit([directory.putPrincipal(principal)])
        return { status: 204 }
      },
    },
    {
      operation: 'graph.servicePrincipal.delete',
      method: 'DELETE',
      path: '/v1.0/servicePrincipals/:id',
      run(call) {
        store.commit(directory.removePrincipal(changeable(call)))
        return { status: 204 }
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

function renderPrincipal(principal: ServicePrincipal, tenantId: string, identifierUris: readonly string[] = []) {
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
    servicePrincipalNames: [appId, ...identifierUris],
    servicePrincipalType,
    ...renderCredentials(principal),
  }
}

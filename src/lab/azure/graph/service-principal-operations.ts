import { z } from 'zod'
import type { Directory, ServicePrincipal } from '../directory/directory.ts'
import { Refusal } from '../http/refusal.ts'
import type { RecordStore } from '../records/record-store.ts'
import { applyKeyCredentials, keyCredentialsSchema, renderCredentials } from './credentials-body.ts'
import { alreadyInUse, resourceNotFound } from './error-response.ts'
import { filtered, type GraphAnswer, type GraphCall, type GraphOperation, graphOperation } from './operation.ts'

export interface ServicePrincipalOptions {
  store: RecordStore
  tenantId: string
  directory: Directory
}

const createBody = z.object({ appId: z.string().min(1), accountEnabled: z.boolean().optional() })
const updateBody = z.strictObject({ accountEnabled: z.boolean().optional(), keyCredentials: keyCredentialsSchema })
const byIdsBody = z.object({ ids: z.array(z.string()).max(1000), types: z.array(z.string()).optional() })

const onPrincipals = '/v1.0/servicePrincipals'
const onPrincipal = `${onPrincipals}/:id`

/** The principals that can be granted access: applications and managed identities. https://learn.microsoft.com/graph/api/resources/serviceprincipal */
export function servicePrincipalOperations(options: ServicePrincipalOptions): GraphOperation[] {
  const { store, directory } = options
  return [
    graphOperation('graph.me', 'GET', '/v1.0/me', refuseMe),
    graphOperation('graph.servicePrincipal.list', 'GET', onPrincipals, (call) => list(options, call)),
    graphOperation('graph.servicePrincipal.get', 'GET', onPrincipal, (call) =>
      entity(200, render(options, existing(options, call))),
    ),
    graphOperation('graph.servicePrincipal.create', 'POST', onPrincipals, (call) => create(options, call)),
    graphOperation('graph.servicePrincipal.update', 'PATCH', onPrincipal, (call) => update(options, call)),
    graphOperation('graph.servicePrincipal.delete', 'DELETE', onPrincipal, (call) => {
      store.commit(directory.removePrincipal(changeable(options, call)))
      return { status: 204 }
    }),
    graphOperation('graph.directoryObject.getByIds', 'POST', '/v1.0/directoryObjects/getByIds', (call) =>
      getByIds(options, call),
    ),
  ]
}

/** Every token of the lab belongs to an application or a managed identity, none to a user. */
function refuseMe(): never {
  throw new Refusal(400, 'BadRequest', '/me request is only valid with delegated authentication flow.')
}

function list(options: ServicePrincipalOptions, { url }: GraphCall): GraphAnswer {
  const all = [...options.directory.servicePrincipals()].map((principal) => render(options, principal))
  return { status: 200, context: 'servicePrincipals', body: { value: filtered(url, all) } }
}

function entity(status: 200 | 201, body: Record<string, unknown>): GraphAnswer {
  return { status, context: 'servicePrincipals/$entity', body }
}

async function create(options: ServicePrincipalOptions, call: GraphCall): Promise<GraphAnswer> {
  const { store, directory } = options
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
  const added = directory.addPrincipal(application)
  const principal = { ...added.principal, accountEnabled }
  store.commit([...added.changes, directory.putPrincipal(principal)])
  return entity(201, render(options, principal))
}

async function update(options: ServicePrincipalOptions, call: GraphCall): Promise<GraphAnswer> {
  const before = changeable(options, call)
  const { accountEnabled, keyCredentials } = await call.body(updateBody)
  const principal: ServicePrincipal = {
    ...before,
    accountEnabled: accountEnabled ?? before.accountEnabled,
    keys: keyCredentials === undefined ? before.keys : applyKeyCredentials(keyCredentials, before.keys ?? []),
  }
  options.store.commit([options.directory.putPrincipal(principal)])
  return { status: 204 }
}

/** The principal in the path. Throws {@link Refusal} for a managed identity's, which only changes with its resource. */
function changeable(options: ServicePrincipalOptions, call: GraphCall): ServicePrincipal {
  const principal = existing(options, call)
  if (principal.servicePrincipalType === 'Application') return principal
  throw new Refusal(403, 'Authorization_RequestDenied', 'Insufficient privileges to complete the operation.')
}

function existing({ directory }: ServicePrincipalOptions, call: GraphCall): ServicePrincipal {
  const principal = directory.servicePrincipal(call.name('id'))
  if (principal === undefined) throw resourceNotFound(call.name('id'))
  return principal
}

async function getByIds(options: ServicePrincipalOptions, call: GraphCall): Promise<GraphAnswer> {
  const { ids } = await call.body(byIdsBody)
  const found = ids.flatMap((id) => options.directory.servicePrincipal(id) ?? [])
  const value = found.map((principal) => ({
    '@odata.type': '#microsoft.graph.servicePrincipal',
    ...render(options, principal),
  }))
  return { status: 200, context: 'directoryObjects', body: { value } }
}

function render({ tenantId, directory }: ServicePrincipalOptions, principal: ServicePrincipal) {
  const { id, appId, displayName, servicePrincipalType, accountEnabled, createdDateTime, resourceId } = principal
  const { identifierUris = [] } = directory.application(appId) ?? {}
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

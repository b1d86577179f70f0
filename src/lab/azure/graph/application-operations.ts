import { z } from 'zod'
import type { Application, Directory } from '../directory/directory.ts'
import type { RecordStore } from '../records/record-store.ts'
import { applyKeyCredentials, keyCredentialsSchema, renderCredentials } from './credentials-body.ts'
import { alreadyInUse, resourceNotFound } from './error-response.ts'
import { filtered, type GraphCall, type GraphOperation, graphOperation } from './operation.ts'

export interface ApplicationOptions {
  store: RecordStore
  directory: Directory
  /** The tenant's domain, which is the publisher of its applications. */
  domain: string
}

const name = z.string().min(1).max(256)
const anything = z.unknown().optional()
const body = z.strictObject({
  displayName: name.optional(),
  identifierUris: z.array(z.url()).optional(),
  keyCredentials: keyCredentialsSchema,
  signInAudience: anything,
  api: anything,
  appRoles: anything,
  description: anything,
  groupMembershipClaims: anything,
  isFallbackPublicClient: anything,
  notes: anything,
  optionalClaims: anything,
  publicClient: anything,
  requiredResourceAccess: anything,
  serviceManagementReference: anything,
  spa: anything,
  tags: anything,
  web: anything,
})
const createBody = body.extend({ displayName: name })

/** Applications. https://learn.microsoft.com/graph/api/resources/application */
export function applicationOperations({ store, directory, domain }: ApplicationOptions): GraphOperation[] {
  const render = (application: Application) => renderApplication(application, domain)

  function refuseUsedUris(uris: readonly string[] = [], own?: Application): void {
    for (const { id, identifierUris = [] } of directory.applications()) {
      const used = uris.find((uri) => id !== own?.id && identifierUris.includes(uri))
      if (used === undefined) continue
      throw alreadyInUse(`Another object with the same value for property identifierUris already exists: '${used}'.`)
    }
  }

  return [
    graphOperation('graph.application.list', 'GET', '/v1.0/applications', ({ url }) => {
      const value = filtered(url, [...directory.applications()].map(render))
      return { status: 200, context: 'applications', body: { value } }
    }),
    graphOperation('graph.application.create', 'POST', '/v1.0/applications', async (call) => {
      const { displayName, identifierUris, keyCredentials, ...settings } = await call.body(createBody)
      refuseUsedUris(identifierUris)
      const keys = applyKeyCredentials(keyCredentials, [])
      const { application, changes } = directory.addApplication({ displayName, identifierUris, keys, settings })
      store.commit(changes)
      return { status: 201, context: 'applications/$entity', body: render(application) }
    }),
    graphOperation('graph.application.get', 'GET', '/v1.0/applications/:id', (call) => ({
      status: 200,
      context: 'applications/$entity',
      body: render(existingApplication(directory, call)),
    })),
    graphOperation('graph.application.update', 'PATCH', '/v1.0/applications/:id', async (call) => {
      const before = existingApplication(directory, call)
      const { displayName, identifierUris, keyCredentials, ...settings } = await call.body(body)
      refuseUsedUris(identifierUris, before)
      const application: Application = {
        ...before,
        displayName: displayName ?? before.displayName,
        identifierUris: identifierUris ?? before.identifierUris,
        keys: keyCredentials === undefined ? before.keys : applyKeyCredentials(keyCredentials, before.keys ?? []),
        settings: { ...before.settings, ...settings },
      }
      store.commit([directory.putApplication(application)])
      return { status: 204 }
    }),
    graphOperation('graph.application.delete', 'DELETE', '/v1.0/applications/:id', (call) => {
      store.commit(directory.removeApplication(existingApplication(directory, call)))
      return { status: 204 }
    }),
  ]
}

/** The application in the path, by its object id. Throws {@link Refusal}. */
export function existingApplication(directory: Directory, call: GraphCall): Application {
  const application = directory.applicationById(call.name('id'))
  if (application === undefined) throw resourceNotFound(call.name('id'))
  return application
}

function renderApplication(application: Application, domain: string) {
  const { id, appId, displayName, createdDateTime, identifierUris = [], settings } = application
  return {
    id,
    deletedDateTime: null,
    appId,
    applicationTemplateId: null,
    disabledByMicrosoftStatus: null,
    createdDateTime,
    displayName,
    description: null,
    groupMembershipClaims: null,
    identifierUris,
    isFallbackPublicClient: null,
    notes: null,
    optionalClaims: null,
    publisherDomain: domain,
    serviceManagementReference: null,
    signInAudience: 'AzureADMyOrg',
    tags: [],
    api: { oauth2PermissionScopes: [], preAuthorizedApplications: [], knownClientApplications: [] },
    appRoles: [],
    publicClient: { redirectUris: [] },
    requiredResourceAccess: [],
    spa: { redirectUris: [] },
    web: { homePageUrl: null, logoutUrl: null, redirectUris: [] },
    ...settings,
    ...renderCredentials(application),
  }
}

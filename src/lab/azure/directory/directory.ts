import { randomUUID } from 'node:crypto'
import type { Clock } from '#lib'
import type { Change, Collection, RecordStore } from '../records/record-store.ts'
import { type Credentials, checkSecret, type KeyCredential, type Verdict } from './credentials.ts'
import { createFederatedCredentials, type FederatedCredentials } from './federated-credentials.ts'

/** A principal that can be granted access: an application or managed identity in this tenant. */
export interface ServicePrincipal extends Credentials {
  /** The object id, which role assignments and access policies refer to. */
  id: string
  appId: string
  displayName: string
  servicePrincipalType: 'Application' | 'ManagedIdentity'
  accountEnabled: boolean
  createdDateTime: string
  /** Resource id of its managed identity. */
  resourceId?: string | undefined
}

export interface Application extends Credentials {
  id: string
  appId: string
  displayName: string
  createdDateTime: string
  identifierUris?: string[] | undefined
  /** Properties that are stored and returned, and that the lab does not evaluate. */
  settings?: Record<string, unknown> | undefined
}

/**
 * The Entra directory: applications, service principals (those of managed identities included), and their credentials.
 * Independent of HTTP: `entra` signs clients in, `graph` manages applications, `arm` adds managed identities.
 */
export interface Directory {
  servicePrincipal(objectId: string): ServicePrincipal | undefined
  servicePrincipalOfApp(appId: string): ServicePrincipal | undefined
  servicePrincipals(): Iterable<ServicePrincipal>
  application(appId: string): Application | undefined
  applicationById(objectId: string): Application | undefined
  applications(): Iterable<Application>
  readonly federatedCredentials: FederatedCredentials
  /** Whether `secret` is a password of the application or of its principal. */
  checkPassword(appId: string, secret: string): Verdict
  /** The certificates of the application and of its principal. */
  keysOf(appId: string): KeyCredential[]
  addApplication(application: NewApplication): { application: Application; changes: Change[] }
  putApplication(application: Application): Change
  /** Removes the application with its principal and its federated credentials. */
  removeApplication(application: Application): Change[]
  /** Adds the application's principal, with which it can sign in and be granted access. */
  addPrincipal(application: Application, principalId?: string): { principal: ServicePrincipal; changes: Change[] }
  putPrincipal(principal: ServicePrincipal): Change
  addManagedIdentity(displayName: string, resourceId: string): { principal: ServicePrincipal; changes: Change[] }
  /** Removes a principal: a managed identity's with its federated credentials, an application's without the application. */
  removePrincipal(principal: ServicePrincipal): Change[]
  /** Directory roles, such as `Global Administrator`, permit reading and writing through Graph. */
  hasDirectoryRole(objectId: string): boolean
  addDirectoryRole(objectId: string, role: string): Change
}

export interface NewApplication extends Credentials {
  displayName: string
  appId?: string | undefined
  identifierUris?: string[] | undefined
  settings?: Record<string, unknown> | undefined
}

export function createDirectory(store: RecordStore, clock: Clock): Directory {
  const principals = store.collection<ServicePrincipal>('service-principals')
  const applications = store.collection<Application>('applications')
  const directoryRoles = store.collection<{ roles: string[] }>('directory-roles')
  const principalByApp = indexBy(principals, ({ appId }) => appId)
  const applicationById = indexBy(applications, ({ id }) => id)
  const federatedCredentials = createFederatedCredentials(store)
  const nowText = () => new Date(clock.now()).toISOString()

  function newPrincipal(fields: Omit<ServicePrincipal, 'accountEnabled' | 'createdDateTime'>): ServicePrincipal {
    return { ...fields, accountEnabled: true, createdDateTime: nowText() }
  }

  /** Secrets and certificates may belong to either; az uses both. */
  function holders(appId: string): Credentials[] {
    const key = appId.toLowerCase()
    return [applications.get(key), principalByApp.get(key)].filter((holder) => holder !== undefined)
  }

  return {
    federatedCredentials,
    servicePrincipal: (objectId) => principals.get(objectId.toLowerCase()),
    servicePrincipalOfApp: (appId) => principalByApp.get(appId.toLowerCase()),
    servicePrincipals: () => principals.values(),
    application: (appId) => applications.get(appId.toLowerCase()),
    applicationById: (objectId) => applicationById.get(objectId.toLowerCase()),
    applications: () => applications.values(),
    checkPassword: (appId, secret) =>
      checkSecret(
        holders(appId).flatMap(({ passwords = [] }) => passwords),
        secret,
        clock.now(),
      ),
    keysOf: (appId) => holders(appId).flatMap(({ keys = [] }) => keys),
    addApplication({ appId = randomUUID(), ...fields }) {
      const application: Application = { id: randomUUID(), appId, createdDateTime: nowText(), ...fields }
      return { application, changes: [applications.put(appId, application)] }
    },
    putApplication: (application) => applications.put(application.appId, application),
    removeApplication({ appId }) {
      const principal = principalByApp.get(appId)
      const ofPrincipal = principal === undefined ? [] : [principals.remove(principal.id)]
      return [...ofPrincipal, ...federatedCredentials.removeAll(appId), applications.remove(appId)]
    },
    addPrincipal({ appId, displayName }, id = randomUUID()) {
      const principal = newPrincipal({ id, appId, displayName, servicePrincipalType: 'Application' })
      return { principal, changes: [principals.put(id, principal)] }
    },
    putPrincipal: (principal) => principals.put(principal.id, principal),
    addManagedIdentity(displayName, resourceId) {
      const principal = newPrincipal({
        id: randomUUID(),
        appId: randomUUID(),
        displayName,
        servicePrincipalType: 'ManagedIdentity',
        resourceId,
      })
      return { principal, changes: [principals.put(principal.id, principal)] }
    },
    removePrincipal({ id, appId, servicePrincipalType }) {
      const isManaged = servicePrincipalType === 'ManagedIdentity'
      return [principals.remove(id), ...(isManaged ? federatedCredentials.removeAll(appId) : [])]
    },
    hasDirectoryRole: (objectId) => (directoryRoles.get(objectId)?.roles.length ?? 0) > 0,
    addDirectoryRole: (objectId, role) =>
      directoryRoles.put(objectId, { roles: [...(directoryRoles.get(objectId)?.roles ?? []), role] }),
  }
}

function indexBy<T>(collection: Collection<T>, keyOf: (value: T) => string): ReadonlyMap<string, T> {
  const index = new Map<string, T>()
  collection.observe((_key, after, before) => {
    if (before !== undefined) index.delete(keyOf(before))
    if (after !== undefined) index.set(keyOf(after), after)
  })
  return index
}

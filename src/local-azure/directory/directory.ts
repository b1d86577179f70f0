import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../../lib/index.ts'
import type { Change, Collection, RecordStore } from '../records/record-store.ts'
import { createFederatedCredentials, type FederatedCredentials } from './federated-credentials.ts'

/** What can be granted access: the tenant's own view of an application or of a managed identity. */
export interface ServicePrincipal {
  /** The object id: what role assignments and access policies name. */
  id: string
  appId: string
  displayName: string
  servicePrincipalType: 'Application' | 'ManagedIdentity'
  accountEnabled: boolean
  createdDateTime: string
  /** Resource id of the managed identity behind it. */
  resourceId?: string
}

export interface Application {
  id: string
  appId: string
  displayName: string
  createdDateTime: string
  passwords: Password[]
}

export interface Password {
  keyId: string
  displayName: string | null
  /** First three characters, as Azure shows them. */
  hint: string
  sha256: string
  startDateTime: string
  endDateTime: string
}

/**
 * The Entra directory: applications, service principals (those of managed identities included), and what each may sign
 * in with. Knows no HTTP: `entra` signs in from it, `graph` shows it, `arm` adds managed identities.
 */
export interface Directory {
  servicePrincipal(objectId: string): ServicePrincipal | undefined
  servicePrincipalOfApp(appId: string): ServicePrincipal | undefined
  servicePrincipals(): Iterable<ServicePrincipal>
  application(appId: string): Application | undefined
  readonly federatedCredentials: FederatedCredentials
  /** True when `secret` is one of the application's passwords; expired ones count as `expired`. */
  checkPassword(appId: string, secret: string): 'valid' | 'expired' | 'wrong'
  addApplication(application: NewApplication): {
    application: Application
    principal: ServicePrincipal
    changes: Change[]
  }
  addManagedIdentity(displayName: string, resourceId: string): { principal: ServicePrincipal; changes: Change[] }
  /** Removes the principal with its federated credentials. */
  removePrincipal(principal: ServicePrincipal): Change[]
  /** Directory roles, such as `Global Administrator`: who may read and write through Graph. */
  hasDirectoryRole(objectId: string): boolean
  addDirectoryRole(objectId: string, role: string): Change
}

export interface NewApplication {
  displayName: string
  appId?: string
  principalId?: string
  secret?: string
}

const yearMs = 365 * 24 * 3600 * 1000

export function createDirectory(store: RecordStore, clock: Clock): Directory {
  const principals = store.collection<ServicePrincipal>('service-principals')
  const applications = store.collection<Application>('applications')
  const directoryRoles = store.collection<{ roles: string[] }>('directory-roles')
  const principalByApp = indexBy(principals, ({ appId }) => appId)
  const federatedCredentials = createFederatedCredentials(store)
  const nowText = () => new Date(clock.now()).toISOString()

  function newPrincipal(fields: Omit<ServicePrincipal, 'accountEnabled' | 'createdDateTime'>): ServicePrincipal {
    return { ...fields, accountEnabled: true, createdDateTime: nowText() }
  }

  return {
    federatedCredentials,
    servicePrincipal: (objectId) => principals.get(objectId.toLowerCase()),
    servicePrincipalOfApp: (appId) => principalByApp.get(appId.toLowerCase()),
    servicePrincipals: () => principals.values(),
    application: (appId) => applications.get(appId.toLowerCase()),
    checkPassword(appId, secret) {
      const password = applications.get(appId.toLowerCase())?.passwords.find(({ sha256 }) => sameHash(sha256, secret))
      if (password === undefined) return 'wrong'
      return Date.parse(password.endDateTime) > clock.now() ? 'valid' : 'expired'
    },
    addApplication({ displayName, appId = randomUUID(), principalId = randomUUID(), secret }) {
      const application: Application = {
        id: randomUUID(),
        appId,
        displayName,
        createdDateTime: nowText(),
        passwords: secret === undefined ? [] : [newPassword(secret, clock.now())],
      }
      const principal = newPrincipal({ id: principalId, appId, displayName, servicePrincipalType: 'Application' })
      return {
        application,
        principal,
        changes: [applications.put(appId, application), principals.put(principal.id, principal)],
      }
    },
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
    removePrincipal: ({ id, appId }) => [principals.remove(id), ...federatedCredentials.removeAll(appId)],
    hasDirectoryRole: (objectId) => (directoryRoles.get(objectId)?.roles.length ?? 0) > 0,
    addDirectoryRole: (objectId, role) =>
      directoryRoles.put(objectId, { roles: [...(directoryRoles.get(objectId)?.roles ?? []), role] }),
  }
}

function newPassword(secret: string, now: number): Password {
  return {
    keyId: randomUUID(),
    displayName: null,
    hint: secret.slice(0, 3),
    sha256: hash(secret).toString('hex'),
    startDateTime: new Date(now).toISOString(),
    endDateTime: new Date(now + 100 * yearMs).toISOString(),
  }
}

// A plain hash is enough: Azure makes these secrets itself, and they are too random to guess.
function hash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest()
}

function sameHash(expectedHex: string, secret: string): boolean {
  return timingSafeEqual(Buffer.from(expectedHex, 'hex'), hash(secret))
}

function indexBy<T>(collection: Collection<T>, keyOf: (value: T) => string): ReadonlyMap<string, T> {
  const index = new Map<string, T>()
  collection.observe((_key, after, before) => {
    if (before !== undefined) index.delete(keyOf(before))
    if (after !== undefined) index.set(keyOf(after), after)
  })
  return index
}

import type { Directory, ServicePrincipal } from '../../directory/directory.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'
import type { ResourceKind } from '../resource-kind.ts'

/** A user-assigned managed identity: a resource with a service principal behind it. */
export interface Identity {
  id: string
  name: string
  location: string
  tags: Record<string, string>
  principalId: string
  clientId: string
}

export interface Identities {
  get(id: string): Identity | undefined
  all(): Identity[]
  create(fields: Pick<Identity, 'id' | 'name' | 'location' | 'tags'>): { identity: Identity; changes: Change[] }
  put(identity: Identity): Change
  /** The changes that remove the identity, its principal and its federated credentials. */
  remove(identity: Identity): Change[]
}

export const identityType = 'Microsoft.ManagedIdentity/userAssignedIdentities'

export function createIdentities(store: RecordStore, directory: Directory): Identities {
  const collection = store.collection<Identity>('user-assigned-identities')
  return {
    get: (id) => collection.get(id.toLowerCase()),
    all: () => [...collection.values()],
    create(fields) {
      const { principal, changes } = directory.addManagedIdentity(fields.name, fields.id)
      const identity: Identity = { ...fields, principalId: principal.id, clientId: principal.appId }
      return { identity, changes: [...changes, collection.put(identity.id.toLowerCase(), identity)] }
    },
    put: (identity) => collection.put(identity.id.toLowerCase(), identity),
    remove(identity) {
      const principal: ServicePrincipal | undefined = directory.servicePrincipal(identity.principalId)
      const ofPrincipal = principal === undefined ? [] : directory.removePrincipal(principal)
      return [...ofPrincipal, collection.remove(identity.id.toLowerCase())]
    },
  }
}

/** Identities as a kind of resource, for the groups that contain them. */
export function identityKind(identities: Identities): ResourceKind {
  return {
    type: identityType,
    all: () =>
      identities.all().map(({ id, name, location, tags }) => ({ id, name, type: identityType, location, tags })),
    delete(id) {
      const identity = identities.get(id)
      return identity === undefined ? [] : identities.remove(identity)
    },
  }
}

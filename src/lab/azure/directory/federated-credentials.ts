import type { Change, RecordStore } from '../records/record-store.ts'

/** Trust in one subject of one outside issuer. Belongs to an application or a managed identity, by client id. */
export interface FederatedCredential {
  clientId: string
  name: string
  issuer: string
  subject: string
  audiences: string[]
  /** Credentials of applications have an id in addition to their name. */
  id?: string | undefined
  description?: string | null | undefined
}

export interface FederatedCredentials {
  /** All of one client, in the order of their creation. */
  of(clientId: string): readonly FederatedCredential[]
  get(clientId: string, name: string): FederatedCredential | undefined
  put(credential: FederatedCredential): Change
  remove(credential: FederatedCredential): Change
  removeAll(clientId: string): Change[]
}

export function createFederatedCredentials(store: RecordStore): FederatedCredentials {
  const collection = store.collection<FederatedCredential>('federated-credentials')
  const byClient = new Map<string, Map<string, FederatedCredential>>()
  collection.observe((key, after, before) => {
    const clientId = (after ?? before)?.clientId ?? ''
    const ofClient = byClient.get(clientId) ?? new Map<string, FederatedCredential>()
    byClient.set(clientId, ofClient)
    if (after === undefined) ofClient.delete(key)
    else ofClient.set(key, after)
  })

  const of = (clientId: string) => [...(byClient.get(clientId)?.values() ?? [])]
  return {
    of,
    get: (clientId, name) => byClient.get(clientId)?.get(keyOf(clientId, name)),
    put: (credential) => collection.put(keyOf(credential.clientId, credential.name), credential),
    remove: (credential) => collection.remove(keyOf(credential.clientId, credential.name)),
    removeAll: (clientId) => of(clientId).map((credential) => collection.remove(keyOf(clientId, credential.name))),
  }
}

function keyOf(clientId: string, name: string): string {
  return `${clientId}/${name.toLowerCase()}`
}

import { AzureRestError, type AzureService } from '#azure/rest'
import { retry } from '#lib/async'

/** What Entra compares with a service account's token, byte for byte. */
export interface FederatedCredential {
  /** Of an application: Graph's id. Of a managed identity: the name. */
  id: string
  name: string
  issuer: string
  subject: string
  audiences: readonly string[]
}

export type NewFederatedCredential = Omit<FederatedCredential, 'id'> & { description: string }

/** The federated credentials of one application or managed identity. */
export interface FederatedCredentials {
  list(): Promise<FederatedCredential[]>
  create(credential: NewFederatedCredential): Promise<void>
  /** Changes what an existing one accepts. */
  update(credential: FederatedCredential): Promise<void>
  /** Gives false if it did not exist. */
  delete(credential: FederatedCredential): Promise<boolean>
}

/** https://learn.microsoft.com/graph/api/resources/federatedidentitycredentials-overview */
export function applicationCredentials(graph: AzureService, objectId: () => Promise<string>): FederatedCredentials {
  const path = async (id = '') =>
    `/applications/${await objectId()}/federatedIdentityCredentials${id === '' ? '' : `/${id}`}`
  return {
    list: async () => graph.list<FederatedCredential>(await path()),
    async create(credential) {
      await graph.post(await path(), credential)
    },
    async update({ id, issuer, subject, audiences }) {
      await graph.patch(await path(id), { issuer, subject, audiences })
    },
    delete: async ({ id }) => graph.delete(await path(id)),
  }
}

const managedIdentityApi = { apiVersion: '2023-01-31' }

interface ManagedCredential {
  name: string
  properties: Pick<FederatedCredential, 'issuer' | 'subject' | 'audiences'>
}

/** https://learn.microsoft.com/rest/api/managedidentity/federated-identity-credentials */
export function managedIdentityCredentials(resourceManager: AzureService, identityId: string): FederatedCredentials {
  const collection = `${identityId}/federatedIdentityCredentials`
  const put = async ({ name, issuer, subject, audiences }: Omit<FederatedCredential, 'id'>) => {
    const body = { properties: { issuer, subject, audiences } }
    await retry(() => resourceManager.put(`${collection}/${name}`, body, managedIdentityApi), {
      attempts: 5,
      initialMs: 1000,
      shouldRetry: isWrittenByAnother,
    })
  }
  return {
    async list() {
      const found = await resourceManager.list<ManagedCredential>(collection, managedIdentityApi)
      return found.map(({ name, properties }) => ({ id: name, name, ...properties }))
    },
    create: put,
    update: put,
    delete: ({ name }) => resourceManager.delete(`${collection}/${name}`, managedIdentityApi),
  }
}

/** An identity accepts one write of its credentials at a time. */
function isWrittenByAnother(error: unknown): boolean {
  return error instanceof AzureRestError && error.status === 409 && error.code.startsWith('Concurrent')
}

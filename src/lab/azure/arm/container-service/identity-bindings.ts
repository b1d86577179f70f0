import type { FederatedCredentials } from '../../directory/federated-credentials.ts'
import type { Change, RecordStore } from '../../records/record-store.ts'

/** Lets the pods of one cluster use one managed identity, without a federated credential for each service account. */
export interface IdentityBinding {
  id: string
  name: string
  clusterId: string
  /** Resource id of the managed identity. */
  identityId: string
  /** Client id of the managed identity. */
  clientId: string
}

export interface IdentityBindings {
  get(id: string): IdentityBinding | undefined
  ofCluster(clusterId: string): IdentityBinding[]
  put(binding: IdentityBinding): Change
  /** The changes that remove the binding and, with the last one of its identity, the credential that all of them share. */
  remove(binding: IdentityBinding): Change[]
  removeCluster(clusterId: string): Change[]
}

/** The one federated credential of an identity with bindings, which AKS manages. */
export const bindingCredentialName = 'aks-identity-binding'

/** One issuer for each identity, the same in all clusters. */
export function bindingIssuer(tenantId: string, clientId: string): string {
  return `https://ib.oic.prod-aks.azure.com/${tenantId}/${clientId}`
}

export function createIdentityBindings(
  store: RecordStore,
  federatedCredentials: FederatedCredentials,
): IdentityBindings {
  const collection = store.collection<IdentityBinding>('identity-bindings')
  const ofCluster = (clusterId: string) =>
    [...collection.values()].filter((binding) => binding.clusterId.toLowerCase() === clusterId.toLowerCase())

  function removeAll(removed: readonly IdentityBinding[]): Change[] {
    const kept = [...collection.values()].filter((binding) => !removed.includes(binding))
    const unused = new Set(removed.map(({ clientId }) => clientId))
    for (const { clientId } of kept) unused.delete(clientId)
    const credentials = [...unused].flatMap((id) => federatedCredentials.get(id, bindingCredentialName) ?? [])
    return [
      ...removed.map(({ id }) => collection.remove(id.toLowerCase())),
      ...credentials.map((credential) => federatedCredentials.remove(credential)),
    ]
  }

  return {
    get: (id) => collection.get(id.toLowerCase()),
    ofCluster,
    put: (binding) => collection.put(binding.id.toLowerCase(), binding),
    remove: (binding) => removeAll([binding]),
    removeCluster: (clusterId) => removeAll(ofCluster(clusterId)),
  }
}

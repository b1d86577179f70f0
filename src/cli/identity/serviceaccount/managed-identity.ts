import type { AzureService } from '#azure/rest'
import { CliError } from '#terminal'
import { managedIdentityCredentials } from '../federated-credential.ts'
import { once } from '../once.ts'
import type { Principal } from './principal.ts'

const identities = { apiVersion: '2023-01-31' }
const groups = { apiVersion: '2021-04-01' }

interface IdentityRecord {
  properties: { clientId: string; principalId: string }
}

export interface ManagedIdentityOptions {
  resourceManager: AzureService
  subscriptionId: string
  resourceGroup: string
  name: string
  /** Default: the resource group's. */
  location: string | undefined
}

/** A user-assigned managed identity. */
export function createManagedIdentityPrincipal(options: ManagedIdentityOptions): Principal {
  const { resourceManager, subscriptionId, resourceGroup, name, location } = options
  const group = `/subscriptions/${subscriptionId}/resourceGroups/${resourceGroup}`
  const id = `${group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/${name}`
  const title = `managed identity "${name}"`
  const find = () => resourceManager.find<IdentityRecord>(id, identities)

  const identity = once(async () => {
    const found = await find()
    if (found !== undefined) return found.properties
    throw new CliError({
      what: `The ${title} does not exist in resource group ${resourceGroup}`,
      fix: ['make it: keymount identity serviceaccount create phase managed-identity'],
    })
  })

  const groupLocation = async () => (await resourceManager.get<{ location: string }>(group, groups)).location

  return {
    title,
    async ensure() {
      if ((await find()) !== undefined) return { created: false }
      await resourceManager.put(id, { location: location ?? (await groupLocation()) }, identities)
      return { created: true }
    },
    clientId: async () => (await identity()).clientId,
    principalId: async () => (await identity()).principalId,
    credentials: managedIdentityCredentials(resourceManager, id),
    delete: () => resourceManager.delete(id, identities),
  }
}

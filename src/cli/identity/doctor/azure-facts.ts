import { isAzureForbidden } from '#azure/rest'
import { commandLine } from '#terminal'
import type { AzureSession } from '../azure-session.ts'
import {
  applicationCredentials,
  type FederatedCredential,
  managedIdentityCredentials,
} from '../federated-credential.ts'
import { managedIdentityId } from '../managed-identity-id.ts'

/** An application or managed identity, as Azure describes it. */
export interface AzureIdentity {
  kind: 'application' | 'managed identity'
  name: string
  clientId: string
  /** Of a managed identity. */
  resourceId?: string | undefined
  /** Object id of its service principal; undefined for an application without one. */
  principalId: string | undefined
  credentials: readonly FederatedCredential[]
  /** The words of an az command that name it, and the option that names one of its federated credentials. */
  az: { group: readonly string[]; identity: readonly string[]; credential: string }
}

interface ServicePrincipal {
  id: string
  displayName: string
  servicePrincipalType: string
  alternativeNames?: readonly string[]
}

interface ManagedIdentity {
  id: string
  name: string
  properties: { clientId: string; principalId: string }
}

/** The identity with this client id; undefined if the tenant has none. Rejects if the user has no right to look for it. */
export async function findIdentity(azure: AzureSession, clientId: string): Promise<AzureIdentity | undefined> {
  try {
    const [principal] = await azure.graph.list<ServicePrincipal>('/servicePrincipals', byClientId(clientId))
    if (principal?.servicePrincipalType === 'ManagedIdentity') return managedIdentityOf(azure, principal, clientId)
    return await findApplication(azure, clientId, principal)
  } catch (error) {
    // Without rights in the directory, a managed identity can be found among the resources.
    if (!isAzureForbidden(error)) throw error
    return findManagedIdentity(azure, clientId, error)
  }
}

/** The client id is quoted, because a class or an annotation may have any text. */
function byClientId(clientId: string) {
  return { query: { $filter: `appId eq '${clientId.replaceAll("'", "''")}'` } }
}

async function findApplication(
  { graph }: AzureSession,
  clientId: string,
  principal: ServicePrincipal | undefined,
): Promise<AzureIdentity | undefined> {
  const [application] = await graph.list<{ id: string; displayName: string }>('/applications', byClientId(clientId))
  if (application === undefined) return undefined
  return {
    kind: 'application',
    name: application.displayName,
    clientId,
    principalId: principal?.id,
    credentials: await applicationCredentials(graph, async () => application.id).list(),
    az: { group: ['ad', 'app'], identity: ['--id', clientId], credential: '--federated-credential-id' },
  }
}

async function managedIdentityOf(
  { resourceManager }: AzureSession,
  { id: principalId, alternativeNames = [] }: ServicePrincipal,
  clientId: string,
): Promise<AzureIdentity | undefined> {
  const resourceId = alternativeNames.find((name) => /\/userAssignedIdentities\//i.test(name))
  if (resourceId === undefined) return undefined
  return describeManagedIdentity(resourceId, {
    clientId,
    principalId,
    credentials: await managedIdentityCredentials(resourceManager, resourceId).list(),
  })
}

async function findManagedIdentity(
  { resourceManager, subscriptionId }: AzureSession,
  clientId: string,
  cause: Error,
): Promise<AzureIdentity> {
  const path = `/subscriptions/${subscriptionId()}/providers/Microsoft.ManagedIdentity/userAssignedIdentities`
  const all = await resourceManager.list<ManagedIdentity>(path, { apiVersion: '2023-01-31' })
  const found = all.find(({ properties }) => properties.clientId.toLowerCase() === clientId.toLowerCase())
  if (found === undefined) throw cause
  const { principalId } = found.properties
  const credentials = await managedIdentityCredentials(resourceManager, found.id).list()
  return describeManagedIdentity(found.id, { clientId, principalId, credentials })
}

function describeManagedIdentity(
  resourceId: string,
  facts: Pick<AzureIdentity, 'clientId' | 'principalId' | 'credentials'>,
): AzureIdentity {
  const { subscription, group, name } = managedIdentityId(resourceId)
  const identity = ['--subscription', subscription, '--resource-group', group, '--identity-name', name]
  return {
    kind: 'managed identity',
    name,
    resourceId,
    ...facts,
    az: { group: ['identity'], identity, credential: '--name' },
  }
}

/** The az command that creates a federated credential, or updates an existing one. */
export function credentialCommand(
  { kind, az }: AzureIdentity,
  wanted: Pick<FederatedCredential, 'name' | 'issuer' | 'subject' | 'audiences'>,
  existing?: FederatedCredential,
): string {
  const { name, issuer, subject, audiences } = wanted
  const verb = existing === undefined ? 'create' : 'update'
  const start = ['az', ...az.group, 'federated-credential', verb, ...az.identity]
  if (kind === 'managed identity') {
    const values = ['--issuer', issuer, '--subject', subject, '--audiences', ...audiences]
    return commandLine(...start, az.credential, existing?.name ?? name, ...values)
  }
  const which = existing === undefined ? [] : [az.credential, existing.id]
  // JSON leaves out what is undefined: the name of an existing one cannot change.
  const body = { name: existing === undefined ? name : undefined, issuer, subject, audiences }
  return commandLine(...start, ...which, '--parameters', JSON.stringify(body))
}

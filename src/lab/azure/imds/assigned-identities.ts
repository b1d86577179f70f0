import type { Machine } from '../arm/compute/machines.ts'
import type { Identities } from '../arm/managed-identity/identities.ts'
import type { Directory } from '../directory/directory.ts'
import type { AssignedIdentity } from './choose-identity.ts'

/** The identities of these machines, each once. */
export function assignedIdentities(
  machines: readonly Machine[],
  { directory, identities }: { directory: Directory; identities: Identities },
): AssignedIdentity[] {
  const ofSystem = machines.flatMap(
    ({ systemPrincipalId }) => directory.servicePrincipal(systemPrincipalId ?? '') ?? [],
  )
  const userIds = new Set(machines.flatMap(({ identityIds }) => identityIds.map((id) => id.toLowerCase())))
  const ofUser = [...userIds].flatMap((id) => identities.get(id) ?? [])
  return [
    ...ofSystem.map(({ id, appId, resourceId = '' }) => ({
      kind: 'system' as const,
      objectId: id,
      clientId: appId,
      resourceId,
    })),
    ...ofUser.map(({ id, principalId, clientId }) => ({
      kind: 'user' as const,
      objectId: principalId,
      clientId,
      resourceId: id,
    })),
  ]
}

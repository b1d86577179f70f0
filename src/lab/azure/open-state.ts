import { randomUUID } from 'node:crypto'
import type { Clock } from '#lib'
import { createRoleAssignments, type RoleAssignments } from './access/role-assignments.ts'
import { ownerRole } from './access/role-definitions.ts'
import { createMachines } from './arm/compute/machines.ts'
import { createClusters } from './arm/container-service/clusters.ts'
import { createIdentityBindings } from './arm/container-service/identity-bindings.ts'
import { createIdentities } from './arm/managed-identity/identities.ts'
import { removeSystemIdentity } from './arm/resource-identity.ts'
import { createResourceGroups } from './arm/resources/resource-groups.ts'
import { newPassword } from './directory/credentials.ts'
import { createDirectory, type Directory } from './directory/directory.ts'
import { openTenant, type Tenant } from './directory/tenant.ts'
import { createAccessTokens } from './entra/access-tokens.ts'
import { createEventGridRecords } from './events/event-subscriptions.ts'
import { createNamespaces } from './events/namespaces.ts'
import { createBackupSeal } from './keyvault/backup-seal.ts'
import { createCertificateAdministration } from './keyvault/certificates/administration.ts'
import type { Certificate } from './keyvault/certificates/certificate-kind.ts'
import { createPendingCertificates } from './keyvault/certificates/pending-certificates.ts'
import type { Key } from './keyvault/keys/key-kind.ts'
import { createObjectStore } from './keyvault/object-store.ts'
import type { Secret } from './keyvault/secrets/secret-kind.ts'
import { createVaults } from './keyvault/vaults.ts'
import { createArrivals } from './namespaces/receive.ts'
import { cloud } from './proxy/clouds.ts'
import type { Change, RecordStore } from './records/record-store.ts'
import { createStorageAccounts } from './storage/accounts.ts'
import { createQueues } from './storage/queues.ts'

/** What the services of the cloud read and write. */
export type CloudState = Awaited<ReturnType<typeof openState>>

export async function openState({ store, clock }: { store: RecordStore; clock: Clock }) {
  const directory = createDirectory(store, clock)
  const roles = createRoleAssignments(store)
  const tenant = openOrCreateTenant(store, directory, roles, clock)
  const tokens = await createAccessTokens(store, tenant.tenantId, clock)
  const objects = createVaultObjects(store, clock)
  const queues = createQueues(store)
  const arrivals = createArrivals()
  const namespaceEvents = createQueues(store, { kind: 'namespace-event', onMessage: arrivals.notify })
  const bindings = createIdentityBindings(store, directory.federatedCredentials)
  const resources = {
    groups: createResourceGroups(store),
    vaults: createVaults(store, clock, objects.removeAll),
    identities: createIdentities(store, directory),
    machines: createMachines(store, directory),
    clusters: createClusters(store, directory, bindings.removeCluster),
    bindings,
    accounts: createStorageAccounts(store, queues.removeAll),
    eventGrid: createEventGridRecords(store, (topic) => removeSystemIdentity(directory, topic)),
    namespaces: createNamespaces(store, namespaceEvents, cloud),
  }
  return { directory, roles, tenant, tokens, objects, queues, arrivals, namespaceEvents, resources }
}

/** The tenant of this state. A new one gets its administrator: Owner of the subscription, without any right on data. */
function openOrCreateTenant(store: RecordStore, directory: Directory, roles: RoleAssignments, clock: Clock): Tenant {
  const { tenant, isNew, change } = openTenant(store)
  if (isNew) store.commit([change, ...administratorOf(tenant, directory, roles, clock)])
  return tenant
}

function administratorOf(tenant: Tenant, directory: Directory, roles: RoleAssignments, clock: Clock): Change[] {
  const { clientId, clientSecret, objectId } = tenant.administrator
  const now = new Date(clock.now()).toISOString()
  const { password } = newPassword(clock.now(), { endDateTime: '2999-12-31T00:00:00Z' }, clientSecret)
  const { application, changes } = directory.addApplication({
    displayName: 'keymount-administrator',
    appId: clientId,
    passwords: [password],
  })
  const principal = directory.addPrincipal(application, objectId)
  const ownership = roles.put({
    name: randomUUID(),
    scope: `/subscriptions/${tenant.subscriptionId}`,
    roleName: ownerRole,
    principalId: objectId,
    principalType: 'ServicePrincipal',
    createdOn: now,
    updatedOn: now,
    createdBy: objectId,
  })
  return [...changes, ...principal.changes, ownership, directory.addDirectoryRole(objectId, 'Global Administrator')]
}

/** Everything that vaults contain. */
function createVaultObjects(store: RecordStore, clock: Clock) {
  const secrets = createObjectStore<Secret>(store, 'secret', clock)
  const keys = createObjectStore<Key>(store, 'key', clock)
  const certificates = createObjectStore<Certificate>(store, 'certificate', clock)
  const pending = createPendingCertificates(store)
  const administration = createCertificateAdministration(store)
  const all = [secrets, keys, certificates, pending, administration]
  return {
    stores: { certificates, keys, secrets },
    pending,
    administration,
    backups: createBackupSeal(store),
    /** The changes that remove everything in the vault with this `uid`. */
    removeAll: (uid: string): Change[] => all.flatMap((each) => each.removeAll(uid)),
  }
}

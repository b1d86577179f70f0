import { randomUUID } from 'node:crypto'
import type { Clock, Log } from '#lib'
import { createRoleAssignments, type RoleAssignments } from './access/role-assignments.ts'
import { ownerRole } from './access/role-definitions.ts'
import { createMachines, type Machine } from './arm/compute/machines.ts'
import type { ClusterBackend } from './arm/container-service/cluster-backend.ts'
import { type Clusters, createClusters, issuerAuthority } from './arm/container-service/clusters.ts'
import { createLongOperations } from './arm/long-operations.ts'
import { createIdentities } from './arm/managed-identity/identities.ts'
import { armOperations } from './arm/operations.ts'
import { groupNameOf } from './arm/resource-path.ts'
import { createResourceGroups } from './arm/resources/resource-groups.ts'
import { createArm } from './arm/routes.ts'
import { newPassword } from './directory/credentials.ts'
import { createDirectory, type Directory } from './directory/directory.ts'
import { openTenant, type Tenant } from './directory/tenant.ts'
import { createAccessTokens } from './entra/access-tokens.ts'
import { entraOperations } from './entra/entra-operations.ts'
import { createAssertionVerifier } from './entra/federated-assertion.ts'
import { createIssuerKeys } from './entra/issuer-keys.ts'
import { createOwnAssertions } from './entra/own-assertion.ts'
import { audiencesOf } from './entra/resources.ts'
import { createEntra } from './entra/routes.ts'
import { createSignIn } from './entra/sign-in.ts'
import { createUserSignIn } from './entra/user-sign-in.ts'
import type { EventFeed } from './events/event-feed.ts'
import { createVaultEvents } from './events/vault-events.ts'
import { graphOperations } from './graph/graph-operations.ts'
import { createGraph } from './graph/routes.ts'
import type { Service } from './http/service.ts'
import { assignedIdentities } from './imds/assigned-identities.ts'
import type { AssignedIdentity } from './imds/choose-identity.ts'
import { createNodeEndpoints, type NodeEndpoint } from './imds/node-endpoints.ts'
import { createImds } from './imds/routes.ts'
import type { ImdsServer } from './imds/server.ts'
import { createBackupSeal } from './keyvault/backup-seal.ts'
import { createCertificateAdministration } from './keyvault/certificates/administration.ts'
import type { Certificate } from './keyvault/certificates/certificate-kind.ts'
import { createPendingCertificates } from './keyvault/certificates/pending-certificates.ts'
import { keyVaultOperations } from './keyvault/key-vault-operations.ts'
import type { Key } from './keyvault/keys/key-kind.ts'
import { startMaintenance } from './keyvault/maintenance.ts'
import { createObjectStore } from './keyvault/object-store.ts'
import { createKeyVault } from './keyvault/routes.ts'
import type { Secret } from './keyvault/secrets/secret-kind.ts'
import { createVaults } from './keyvault/vaults.ts'
import { cloud } from './proxy/clouds.ts'
import type { ServiceName } from './proxy/served-hosts.ts'
import type { Change, RecordStore } from './records/record-store.ts'

export interface ServicesOptions {
  store: RecordStore
  issuerCaFiles: readonly string[]
  clusterBackend?: ClusterBackend | undefined
  /** Starts a metadata service on a port (0: any), for the nodes of a cluster. */
  listenImds: (port: number, service: Service) => Promise<ImdsServer & NodeEndpoint>
  /** Where the events of the vaults go. */
  feed: EventFeed
  clock: Clock
  log: Log
}

/** The cloud on one state: its tenant, and the service behind each kind of host. */
export async function createServices(options: ServicesOptions) {
  const { store, issuerCaFiles, clusterBackend, listenImds, feed, clock, log } = options
  const directory = createDirectory(store, clock)
  const roles = createRoleAssignments(store)
  const tenant = settleTenant(store, directory, roles, clock)
  const tokens = await createAccessTokens(store, tenant.tenantId, clock)
  const secrets = createObjectStore<Secret>(store, 'secret', clock)
  const keys = createObjectStore<Key>(store, 'key', clock)
  const certificates = createObjectStore<Certificate>(store, 'certificate', clock)
  const stores = { certificates, keys, secrets }
  const backups = createBackupSeal(store)
  const pending = createPendingCertificates(store)
  const administration = createCertificateAdministration(store)
  const inVaults = [secrets, keys, certificates, pending, administration]
  const vaults = createVaults(store, clock, (uid) => inVaults.flatMap((each) => each.removeAll(uid)))
  const events = createVaultEvents({ feed, vaults, stores, vaultSuffix: cloud.vaultSuffix, clock })
  const maintenance = startMaintenance({ stores, vaults, events, clock, log })
  const groups = createResourceGroups(store)
  const identities = createIdentities(store, directory)
  const machines = createMachines(store, directory)
  const clusters = createClusters(store, directory)
  const audiences = audiencesOf(cloud)
  const everyAudience = Object.values(audiences).flat()
  const issuerKeys = createIssuerKeys({
    caFiles: issuerCaFiles,
    moreAuthorities: () => clusters.all().flatMap(issuerAuthority),
    clock,
    log,
  })
  const assertions = createAssertionVerifier({ keys: issuerKeys, clock })
  const login = `https://${cloud.login}`
  const { tenantId, subscriptionId } = tenant
  const longOperations = createLongOperations({ cloud, subscriptionId, clock, log })

  const imdsFor = (assigned: () => readonly AssignedIdentity[]) =>
    createImds({ tokens, audiences: everyAudience, assigned, clock })
  const nodeEndpoints = createNodeEndpoints({ listen: (port, assigned) => listenImds(port, imdsFor(assigned)), log })
  const { operations, lifecycle, deletion } = armOperations({
    store,
    cloud,
    tenant,
    directory,
    roles,
    groups,
    vaults,
    identities,
    machines,
    clusters,
    clusterBackend,
    nodeEndpoints,
    longOperations,
    clock,
  })

  const services: Record<ServiceName, Service> = {
    entra: createEntra({
      tenant,
      operations: entraOperations({
        cloud,
        tenant,
        tokens,
        signIn: createSignIn({
          tenant,
          directory,
          tokens,
          assertions,
          ownAssertions: createOwnAssertions({ login, tenant, directory, clock }),
          audiences: everyAudience,
        }),
        userSignIn: createUserSignIn({ login, tenant, directory, clock }),
        clock,
      }),
      clock,
    }),
    arm: createArm({
      authority: { tokens, tenantId, login, audiences: audiences.arm },
      tenant,
      groups,
      roles,
      operations,
    }),
    graph: createGraph({
      cloud,
      directory,
      tokens,
      audiences: audiences.graph,
      operations: graphOperations({ store, tenant, directory, clock }),
      clock,
    }),
    keyvault: createKeyVault({
      cloud,
      authority: { tokens, tenantId, login, resource: `https://${cloud.vaultSuffix}` },
      vaults,
      roles,
      operations: keyVaultOperations({ store, stores, pending, administration, backups, clock }),
    }),
  }
  await lifecycle.resume()
  deletion.resume()
  return {
    tenant,
    services,
    vaults,
    imds: imdsFor(() => assignedIdentities(machinesOutside(clusters), { directory, identities })),
    async stop() {
      await maintenance.stop()
      await longOperations.stop()
      await nodeEndpoints.stop()
    },
  }

  function machinesOutside({ all }: Clusters): Machine[] {
    const nodeGroups = new Set(all().map(({ nodeGroup }) => nodeGroup.toLowerCase()))
    return machines.all().filter(({ id }) => !nodeGroups.has((groupNameOf(id) ?? '').toLowerCase()))
  }
}

/** The tenant of this state. A new one comes with its administrator: Owner of the subscription, without any right on data. */
function settleTenant(store: RecordStore, directory: Directory, roles: RoleAssignments, clock: Clock): Tenant {
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

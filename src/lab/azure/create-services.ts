import { randomUUID } from 'node:crypto'
import type { Clock, Log } from '#lib'
import type { Listening } from '#lib/http'
import { createRoleAssignments, type RoleAssignments } from './access/role-assignments.ts'
import { ownerRole } from './access/role-definitions.ts'
import { createMachines, type Machine } from './arm/compute/machines.ts'
import type { ClusterBackend } from './arm/container-service/cluster-backend.ts'
import { createClusters, issuerAuthority } from './arm/container-service/clusters.ts'
import { createIdentityBindings } from './arm/container-service/identity-bindings.ts'
import { createLongOperations } from './arm/long-operations.ts'
import { createIdentities } from './arm/managed-identity/identities.ts'
import { armOperations } from './arm/operations.ts'
import { removeSystemIdentity } from './arm/resource-identity.ts'
import { groupNameOf } from './arm/resource-path.ts'
import { createResourceGroups } from './arm/resources/resource-groups.ts'
import { createArm } from './arm/routes.ts'
import { newPassword } from './directory/credentials.ts'
import { createDirectory, type Directory } from './directory/directory.ts'
import { openTenant, type Tenant } from './directory/tenant.ts'
import { type AccessTokens, createAccessTokens } from './entra/access-tokens.ts'
import { createBindingTokens } from './entra/binding-tokens.ts'
import { entraOperations } from './entra/entra-operations.ts'
import { createAssertionVerifier } from './entra/federated-assertion.ts'
import { createIssuerKeys } from './entra/issuer-keys.ts'
import { createOwnAssertions } from './entra/own-assertion.ts'
import { audiencesOf } from './entra/resources.ts'
import { createEntra } from './entra/routes.ts'
import { createSignIn, type SignIn } from './entra/sign-in.ts'
import { createUserSignIn } from './entra/user-sign-in.ts'
import { deliverToQueue } from './events/deliver-to-queue.ts'
import { deliverToTopic } from './events/deliver-to-topic.ts'
import type { EventFeed } from './events/event-feed.ts'
import { startEventGrid } from './events/event-grid.ts'
import { createEventGridRecords } from './events/event-subscriptions.ts'
import { createNamespaces } from './events/namespaces.ts'
import { createVaultEvents } from './events/vault-events.ts'
import { graphOperations } from './graph/graph-operations.ts'
import { createGraph } from './graph/routes.ts'
import type { Service } from './http/service.ts'
import { assignedIdentities } from './imds/assigned-identities.ts'
import type { AssignedIdentity } from './imds/choose-identity.ts'
import { createNodeEndpoints, type NodeEndpoint } from './imds/node-endpoints.ts'
import { createImds } from './imds/routes.ts'
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
import { namespaceOperations } from './namespaces/operations.ts'
import { createArrivals } from './namespaces/receive.ts'
import { createNamespaceService } from './namespaces/routes.ts'
import { cloud } from './proxy/clouds.ts'
import type { ServiceName } from './proxy/served-hosts.ts'
import type { Change, RecordStore } from './records/record-store.ts'
import { createStorageAccounts } from './storage/accounts.ts'
import { messageOperations } from './storage/message-operations.ts'
import { queueOperations } from './storage/queue-operations.ts'
import { createQueues } from './storage/queues.ts'
import { createQueueService } from './storage/routes.ts'

export interface ServicesOptions {
  store: RecordStore
  issuerCaFiles: readonly string[]
  clusterBackend?: ClusterBackend | undefined
  /** Starts a metadata service on a port (0: any), for the nodes of a cluster. */
  listenImds: (port: number, service: Service) => Promise<Listening & NodeEndpoint>
  /** Receives the events of the vaults. */
  feed: EventFeed
  /** Whether a host has a fault, which deliveries of events meet too. Default: none has. */
  hasFault?: ((host: string) => boolean) | undefined
  clock: Clock
  log: Log
}

/** The cloud on one state: its tenant, and the service behind each kind of host. */
export async function createServices(options: ServicesOptions) {
  const { store, clusterBackend, listenImds, feed, hasFault = () => false, clock, log } = options
  const isFaulty = (account: string) => hasFault(`${account}.queue.${cloud.storageSuffix}`)
  const directory = createDirectory(store, clock)
  const roles = createRoleAssignments(store)
  const tenant = openOrCreateTenant(store, directory, roles, clock)
  const { tenantId, subscriptionId } = tenant
  const tokens = await createAccessTokens(store, tenantId, clock)
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
  const { groups, vaults, identities, clusters, accounts } = resources
  const { stores } = objects
  const events = createVaultEvents({ feed, vaults, stores, vaultSuffix: cloud.vaultSuffix, clock })
  const grid = startEventGrid({
    store,
    feed,
    records: resources.eventGrid,
    waiting: () => namespaceEvents.size,
    deliver(event, subscription) {
      const { destination } = subscription
      const delivery = { ...resources, roles, records: resources.eventGrid }
      return destination.endpointType === 'NamespaceTopic'
        ? deliverToTopic(
            { ...delivery, events: namespaceEvents, hasFault },
            event,
            subscription,
            destination,
            clock.now(),
          )
        : deliverToQueue({ ...delivery, queues, isFaulty }, event, subscription, destination, clock.now())
    },
    clock,
    log,
  })
  const maintenance = startMaintenance({ stores, vaults, events, clock, log })
  const longOperations = createLongOperations({ cloud, subscriptionId, clock, log })
  const imdsFor = (assigned: () => readonly AssignedIdentity[]) =>
    createImds({ tokens, audiences: allAudiences, assigned, clock })
  const nodeEndpoints = createNodeEndpoints({ listen: (port, assigned) => listenImds(port, imdsFor(assigned)), log })

  const shared = { store, cloud, tenant, directory, roles, clock }
  const arm = armOperations({ ...shared, ...resources, clusterBackend, nodeEndpoints, longOperations })
  const moreAuthorities = () => clusters.all().flatMap(issuerAuthority)
  const signIn = signInOf({ ...options, tenant, directory, tokens, moreAuthorities })
  const services: Record<ServiceName, Service> = {
    entra: entraService({ ...options, tenant, directory, tokens, signIn }),
    arm: createArm({
      authority: { tokens, tenantId, login, audiences: audiences.arm },
      tenant,
      groups,
      roles,
      operations: arm.operations,
    }),
    graph: createGraph({
      cloud,
      directory,
      tokens,
      audiences: audiences.graph,
      operations: graphOperations(shared),
      clock,
    }),
    keyvault: createKeyVault({
      cloud,
      authority: { tokens, tenantId, login, resource: `https://${cloud.vaultSuffix}` },
      vaults,
      roles,
      operations: keyVaultOperations({ store, clock, ...objects }),
    }),
    queue: createQueueService({
      cloud,
      authority: { tokens, tenantId, login, audiences: audiences.storage },
      accounts,
      roles,
      operations: [...queueOperations({ store, queues }), ...messageOperations({ store, queues })],
      clock,
    }),
    eventgrid: createNamespaceService({
      authority: { tokens, audiences: audiences.eventGrid },
      namespaces: resources.namespaces,
      roles,
      operations: namespaceOperations({
        store,
        namespaces: resources.namespaces,
        events: namespaceEvents,
        arrivals,
        clock,
      }),
    }),
  }
  await arm.lifecycle.resume()
  arm.deletion.resume()
  return {
    tenant,
    services,
    vaults,
    bindingTokens: createBindingTokens({ tenant, clusters, bindings, signIn }),
    eventGrid: grid,
    imds: imdsFor(() => assignedIdentities(machinesOutsideClusters(resources), { directory, identities })),
    async stop() {
      await maintenance.stop()
      arrivals.stop()
      await grid.stop()
      await longOperations.stop()
      await nodeEndpoints.stop()
    },
  }
}

const login = `https://${cloud.login}`
const audiences = audiencesOf(cloud)
const allAudiences = Object.values(audiences).flat()

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

interface SignInServiceOptions extends ServicesOptions {
  tenant: Tenant
  directory: Directory
  tokens: AccessTokens
  /** PEM of authorities of token issuers, in addition to `issuerCaFiles`. */
  moreAuthorities: () => readonly string[]
}

function signInOf(options: SignInServiceOptions): SignIn {
  const { tenant, directory, tokens, issuerCaFiles, moreAuthorities, clock, log } = options
  const keys = createIssuerKeys({ caFiles: issuerCaFiles, moreAuthorities, clock, log })
  return createSignIn({
    tenant,
    directory,
    tokens,
    assertions: createAssertionVerifier({ keys, clock }),
    ownAssertions: createOwnAssertions({ login, tenant, directory, clock }),
    audiences: allAudiences,
  })
}

interface EntraServiceOptions extends Pick<SignInServiceOptions, 'tenant' | 'directory' | 'tokens' | 'clock'> {
  signIn: SignIn
}

function entraService({ tenant, directory, tokens, signIn, clock }: EntraServiceOptions): Service {
  const userSignIn = createUserSignIn({ login, tenant, directory, clock })
  return createEntra({
    tenant,
    operations: entraOperations({ cloud, tenant, tokens, signIn, userSignIn, clock }),
    clock,
  })
}

/** Machines that are not nodes of a managed cluster. */
function machinesOutsideClusters(resources: {
  machines: { all(): Machine[] }
  clusters: { all(): { nodeGroup: string }[] }
}): Machine[] {
  const nodeGroups = new Set(resources.clusters.all().map(({ nodeGroup }) => nodeGroup.toLowerCase()))
  return resources.machines.all().filter(({ id }) => !nodeGroups.has((groupNameOf(id) ?? '').toLowerCase()))
}

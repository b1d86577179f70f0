import type { Clock, Log } from '#lib'
import type { Listening } from '#lib/http'
import type { Machine } from './arm/compute/machines.ts'
import type { ClusterBackend } from './arm/container-service/cluster-backend.ts'
import { issuerAuthority } from './arm/container-service/clusters.ts'
import { createLongOperations } from './arm/long-operations.ts'
import { armOperations } from './arm/operations.ts'
import { groupNameOf } from './arm/resource-path.ts'
import { createArm } from './arm/routes.ts'
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
import type { EventFeed, GridEvent } from './events/event-feed.ts'
import { startEventGrid } from './events/event-grid.ts'
import type { EventSubscription } from './events/event-subscriptions.ts'
import { createVaultEvents } from './events/vault-events.ts'
import { graphOperations } from './graph/graph-operations.ts'
import { createGraph } from './graph/routes.ts'
import type { Service } from './http/service.ts'
import { assignedIdentities } from './imds/assigned-identities.ts'
import type { AssignedIdentity } from './imds/choose-identity.ts'
import { createNodeEndpoints, type NodeEndpoint } from './imds/node-endpoints.ts'
import { createImds } from './imds/routes.ts'
import { keyVaultOperations } from './keyvault/key-vault-operations.ts'
import { startMaintenance } from './keyvault/maintenance.ts'
import { createKeyVault } from './keyvault/routes.ts'
import { namespaceOperations } from './namespaces/operations.ts'
import { createNamespaceService } from './namespaces/routes.ts'
import { type CloudState, openState } from './open-state.ts'
import { cloud } from './proxy/clouds.ts'
import type { ServiceName } from './proxy/served-hosts.ts'
import type { Change, RecordStore } from './records/record-store.ts'
import { messageOperations } from './storage/message-operations.ts'
import { queueOperations } from './storage/queue-operations.ts'
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

const login = `https://${cloud.login}`
const audiences = audiencesOf(cloud)
const allAudiences = Object.values(audiences).flat()

/** The cloud on one state: its tenant, and the service behind each kind of host. */
export async function createServices(options: ServicesOptions) {
  const state = { ...options, ...(await openState(options)) }
  const { store, tenant, directory, roles, clusterBackend, resources, clock } = state
  const background = startBackground(state)
  const { grid, longOperations, nodeEndpoints } = background
  const shared = { store, cloud, tenant, directory, roles, clock }
  const arm = armOperations({ ...shared, ...resources, clusterBackend, nodeEndpoints, longOperations })
  const signIn = signInOf(state)
  const services: Record<ServiceName, Service> = {
    entra: entraService(state, signIn),
    arm: createArm({
      authority: { ...authorityOf(state), audiences: audiences.arm },
      tenant,
      groups: resources.groups,
      roles,
      operations: arm.operations,
    }),
    graph: createGraph({
      cloud,
      directory,
      tokens: state.tokens,
      audiences: audiences.graph,
      operations: graphOperations(shared),
      clock,
    }),
    keyvault: keyVaultService(state),
    queue: queueService(state),
    eventgrid: namespaceService(state),
  }
  await arm.lifecycle.resume()
  arm.deletion.resume()
  return {
    tenant,
    services,
    vaults: resources.vaults,
    bindingTokens: createBindingTokens({ tenant, clusters: resources.clusters, bindings: resources.bindings, signIn }),
    eventGrid: grid,
    imds: imdsOf(state, () => assignedIdentities(machinesOutsideClusters(resources), { ...resources, directory })),
    stop: background.stop,
  }
}

type State = ServicesOptions & CloudState

/** What goes on without a request. */
function startBackground(state: State) {
  const { store, feed, tenant, objects, arrivals, resources, listenImds, clock, log } = state
  const { vaults } = resources
  const { stores } = objects
  const events = createVaultEvents({ feed, vaults, stores, vaultSuffix: cloud.vaultSuffix, clock })
  const grid = startEventGrid({
    store,
    feed,
    records: resources.eventGrid,
    waiting: () => state.namespaceEvents.size,
    deliver: (event, subscription) => deliver(state, event, subscription),
    clock,
    log,
  })
  const maintenance = startMaintenance({ stores, vaults, events, clock, log })
  const longOperations = createLongOperations({ cloud, subscriptionId: tenant.subscriptionId, clock, log })
  const nodeEndpoints = createNodeEndpoints({
    listen: (port, assigned) => listenImds(port, imdsOf(state, assigned)),
    log,
  })
  return {
    grid,
    longOperations,
    nodeEndpoints,
    async stop() {
      await maintenance.stop()
      arrivals.stop()
      await grid.stop()
      await longOperations.stop()
      await nodeEndpoints.stop()
    },
  }
}

/** The changes by which an event is in the destination of a subscription. Throws a `DeliveryFailure`. */
function deliver(state: State, event: GridEvent, subscription: EventSubscription): Change[] {
  const { roles, resources, queues, namespaceEvents, hasFault = () => false, clock } = state
  const { destination } = subscription
  const around = { ...resources, roles, records: resources.eventGrid }
  if (destination.endpointType === 'NamespaceTopic') {
    const topic = { ...around, events: namespaceEvents, hasFault }
    return deliverToTopic(topic, event, subscription, destination, clock.now())
  }
  const isFaulty = (account: string) => hasFault(`${account}.queue.${cloud.storageSuffix}`)
  return deliverToQueue({ ...around, queues, isFaulty }, event, subscription, destination, clock.now())
}

function imdsOf({ tokens, clock }: State, assigned: () => readonly AssignedIdentity[]) {
  return createImds({ tokens, audiences: allAudiences, assigned, clock })
}

function signInOf({ tenant, directory, tokens, issuerCaFiles, resources, clock, log }: State): SignIn {
  const moreAuthorities = () => resources.clusters.all().flatMap(issuerAuthority)
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

function entraService({ tenant, directory, tokens, clock }: State, signIn: SignIn): Service {
  const userSignIn = createUserSignIn({ login, tenant, directory, clock })
  return createEntra({
    tenant,
    operations: entraOperations({ cloud, tenant, tokens, signIn, userSignIn, clock }),
    clock,
  })
}

function keyVaultService(state: State): Service {
  const { store, roles, objects, resources, clock } = state
  return createKeyVault({
    cloud,
    authority: { ...authorityOf(state), resource: `https://${cloud.vaultSuffix}` },
    vaults: resources.vaults,
    roles,
    operations: keyVaultOperations({ store, clock, ...objects }),
  })
}

function queueService(state: State): Service {
  const { store, roles, queues, resources, clock } = state
  return createQueueService({
    cloud,
    authority: { ...authorityOf(state), audiences: audiences.storage },
    accounts: resources.accounts,
    roles,
    operations: [...queueOperations({ store, queues }), ...messageOperations({ store, queues })],
    clock,
  })
}

function namespaceService({ store, tokens, roles, arrivals, namespaceEvents, resources, clock }: State): Service {
  const { namespaces } = resources
  return createNamespaceService({
    authority: { tokens, audiences: audiences.eventGrid },
    namespaces,
    roles,
    operations: namespaceOperations({ store, namespaces, events: namespaceEvents, arrivals, clock }),
  })
}

function authorityOf({ tokens, tenant }: State) {
  return { tokens, tenantId: tenant.tenantId, login }
}

/** Machines that are not nodes of a managed cluster. */
function machinesOutsideClusters(resources: {
  machines: { all(): Machine[] }
  clusters: { all(): { nodeGroup: string }[] }
}): Machine[] {
  const nodeGroups = new Set(resources.clusters.all().map(({ nodeGroup }) => nodeGroup.toLowerCase()))
  return resources.machines.all().filter(({ id }) => !nodeGroups.has((groupNameOf(id) ?? '').toLowerCase()))
}

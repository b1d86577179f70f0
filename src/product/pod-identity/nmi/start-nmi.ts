import type { TokenSource } from '#azure/identity'
import { type AzureAssignedIdentity, followInto, type KubeClient, resources } from '#kubernetes/client'
import { type Clock, type Log, type Running, type RunProgram, systemClock } from '#lib'
import type { ListenAddress } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import { createForwardToImds } from '#product/imds'
import { healthRoutes, readyRoute } from '../health.ts'
import { podIdentityNames } from '../names.ts'
import { currentObjects } from './current-objects.ts'
import { followExceptions } from './exceptions.ts'
import { createFindAssigned, type FindIdentity } from './find-assigned.ts'
import { createFindBound } from './find-bound.ts'
import { createIdentityTokens } from './identity-tokens.ts'
import { createNmiMetrics } from './nmi-metrics.ts'
import { followNodePods, type NodePods } from './node-pods.ts'
import { type Redirect, redirectPods } from './redirect.ts'
import { serveRequests } from './serve-requests.ts'

export interface NmiConfig {
  address: ListenAddress
  healthAddress: ListenAddress
  metricsAddress: ListenAddress
  nodeName: string
  /** `managed`: an administrator assigns identities to machines, there is no controller. */
  mode: 'standard' | 'managed'
  forceNamespaced: boolean
  attemptsForCreated: number
  attemptsForAssigned: number
  findRetryMs: number
  metadataHeaderRequired: boolean
  blockInstanceMetadata: boolean
  setRetryAfterHeader: boolean
  /** Read Secrets of other namespaces than the AzureIdentity's. */
  allowCrossNamespaceSecrets: boolean
  /** URLs that `adEndpoint` of an AzureIdentity may name in addition to those of the known clouds. */
  allowedAuthorities: readonly string[]
  /** Service account of the controller, whose pods get the identity of their machine. */
  controller: { namespace: string; serviceAccount: string }
  /** Origin of the real IMDS. */
  imdsEndpoint: string
  /** Undefined: nothing is redirected. */
  redirect: { metadataIp: string; metadataPort: number; checkMs: number } | undefined
}

export interface NmiWorld {
  kube: KubeClient
  /** Tokens of identities, from IMDS and from Entra. */
  tokens: TokenSource
  run: RunProgram
  /** The text of /proc/self/status. */
  processStatus: string
  log: Log
  clock?: Clock | undefined
}

export interface RunningNmi extends Running {
  port: number
  healthPort: number
  metricsPort: number
}

/**
 * The node endpoint. Pods are redirected to it as soon as it listens, before it has read the cluster: a pod that waits is
 * better than one that gets the token of the machine. When it stops, they reach IMDS again.
 */
export async function startNmi(config: NmiConfig, world: NmiWorld): Promise<RunningNmi> {
  const { kube, log, clock = systemClock } = world
  await using started = new AsyncDisposableStack()
  const metrics = createNmiMetrics()
  let redirect: Redirect | undefined
  let synced = false
  const isActive = () => synced && (config.redirect === undefined || redirect?.inPlace() === true)
  const health = await serveStatus(config.healthAddress, { ...healthRoutes(isActive), ...readyRoute(isActive) })
  started.defer(health.stop)
  const status = await serveMetrics(config.metricsAddress, metrics.text)
  started.defer(status.stop)

  const pods = followNodePods({ kube, nodeName: config.nodeName, clock, log })
  started.defer(pods.stop)
  const exceptions = followExceptions({ kube, log, clock })
  started.defer(exceptions.stop)
  const identities = followIdentities(config, { kube, clock, log, pods })
  started.defer(identities.stop)
  const { allowCrossNamespaceSecrets, allowedAuthorities, imdsEndpoint, controller } = config
  const server = await serveRequests(config.address, {
    pods,
    exceptions,
    findIdentity: identities.findIdentity,
    tokensOf: createIdentityTokens({
      source: world.tokens,
      kube,
      metrics,
      allowCrossNamespaceSecrets,
      allowedAuthorities,
    }),
    isController: ({ namespace, serviceAccount }) =>
      serviceAccount === controller.serviceAccount && namespace === controller.namespace,
    forward: createForwardToImds({ endpoint: imdsEndpoint, loopAdvice, clock }),
    metadataHeaderRequired: config.metadataHeaderRequired,
    blockInstanceMetadata: config.blockInstanceMetadata,
    setRetryAfterHeader: config.setRetryAfterHeader,
    metrics,
    log,
    clock,
  })
  started.defer(server.stop)
  if (config.redirect !== undefined) {
    const { checkMs, ...metadata } = config.redirect
    // Whatever address we listen on, pods are sent to the loopback address.
    const redirection = { ...metadata, nmiIp: '127.0.0.1', nmiPort: server.port }
    redirect = await redirectPods({ ...world, clock, redirection, checkMs })
    started.defer(redirect.stop)
  }
  Promise.all([pods.synced, exceptions.synced, identities.synced]).then(
    () => {
      synced = true
    },
    () => undefined,
  )
  const running = started.move()
  return {
    port: server.port,
    healthPort: health.port,
    metricsPort: status.port,
    stop: () => running.disposeAsync(),
  }
}

const loopAdvice = "The node endpoint's own request came back to it: --imds-endpoint has to reach the real IMDS"

interface Identities extends Running {
  synced: Promise<void>
  findIdentity: FindIdentity
}

/** Looks up the identity of a pod in the way of the mode. */
function followIdentities(
  config: NmiConfig,
  { kube, clock, log, pods }: { kube: KubeClient; clock: Clock; log: Log; pods: NodePods },
): Identities {
  if (config.mode === 'managed') {
    return {
      synced: Promise.resolve(),
      findIdentity: createFindBound({ kube, pods }),
      stop: async () => undefined,
    }
  }
  const assigned = new Map<string, AzureAssignedIdentity>()
  // Those of this node, by the label that the controller sets: the cost of a node does not depend on the others.
  const labelSelector = `${podIdentityNames.nodeLabel}=${config.nodeName}`
  const keep = (one: AzureAssignedIdentity) => one
  const resource = resources.azureAssignedIdentities
  const following = followInto(assigned, kube, resource, { labelSelector, clock, log, keep })
  const findIdentity = createFindAssigned({
    async assignmentsOf({ namespace, name }) {
      const ofNode = await currentObjects({
        following,
        watched: () => [...assigned.values()],
        list: async () => (await kube.list(resource, { labelSelector })).items,
        what: 'assigned identities',
      })
      return ofNode.filter(({ spec }) => spec.pod === name && spec.podNamespace === namespace)
    },
    forceNamespaced: config.forceNamespaced,
    attemptsForCreated: config.attemptsForCreated,
    attemptsForAssigned: config.attemptsForAssigned,
    retryMs: config.findRetryMs,
    clock,
  })
  return { synced: following.synced, stop: following.stop, findIdentity }
}

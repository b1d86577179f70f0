import type { TokenSource } from '#azure/identity'
import { type AzureAssignedIdentity, followInto, type KubeClient, resources } from '#kubernetes/client'
import type { RunProgram } from '#kubernetes/netfilter'
import { type Clock, type Log, type Running, systemClock } from '#lib'
import type { ListenAddress } from '#lib/flags'
import { serveMetrics, serveStatus } from '#lib/http'
import { healthRoutes } from '../health.ts'
import { podIdentityNames } from '../names.ts'
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
  /** `managed`: an administrator gives machines their identities, there is no controller. */
  mode: 'standard' | 'managed'
  forceNamespaced: boolean
  attemptsForCreated: number
  attemptsForAssigned: number
  findRetryMs: number
  metadataHeaderRequired: boolean
  blockInstanceMetadata: boolean
  setRetryAfterHeader: boolean
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
  clock?: Clock
}

export interface RunningNmi extends Running {
  port: number
  healthPort: number
  metricsPort: number
}

/**
 * The node endpoint. Pods are redirected to it as soon as it listens, before it knows the cluster: a pod that had to wait is
 * better off than one that got the token of the machine. When it stops, they reach IMDS again.
 */
export async function startNmi(config: NmiConfig, world: NmiWorld): Promise<RunningNmi> {
  const started: Running[] = []
  const stop = async () => {
    // The last that was begun is the first to end.
    for (const running of started.toReversed()) await running.stop()
  }
  try {
    const ports = await start(config, world, started)
    return { ...ports, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function start(config: NmiConfig, world: NmiWorld, started: Running[]): Promise<Omit<RunningNmi, 'stop'>> {
  const { kube, log, clock = systemClock } = world
  const keep = <T extends Running>(running: T): T => {
    started.push(running)
    return running
  }
  const metrics = createNmiMetrics()
  let redirect: Redirect | undefined
  let synced = false
  const isActive = () => synced && (config.redirect === undefined || redirect?.inPlace() === true)
  const health = keep(await serveStatus(config.healthAddress, healthRoutes(isActive)))
  const status = keep(await serveMetrics(config.metricsAddress, metrics.text))

  const pods = keep(followNodePods({ kube, nodeName: config.nodeName, clock, log }))
  const exceptions = keep(followExceptions({ kube, log }))
  const identities = keep(followIdentities(config, { kube, clock, log, pods }))
  const { serviceAccount, namespace } = config.controller
  const server = keep(
    await serveRequests(config.address, {
      pods,
      exceptions,
      findIdentity: identities.findIdentity,
      tokensOf: createIdentityTokens({ source: world.tokens, kube, metrics }),
      isController: (pod) => pod.serviceAccount === serviceAccount && pod.namespace === namespace,
      imdsEndpoint: config.imdsEndpoint,
      metadataHeaderRequired: config.metadataHeaderRequired,
      blockInstanceMetadata: config.blockInstanceMetadata,
      setRetryAfterHeader: config.setRetryAfterHeader,
      metrics,
      log,
      clock,
    }),
  )
  if (config.redirect !== undefined) {
    const { checkMs, ...metadata } = config.redirect
    // Whatever we listen on, pods are sent to the loopback address.
    const redirection = { ...metadata, nmiIp: '127.0.0.1', nmiPort: server.port }
    redirect = keep(await redirectPods({ ...world, clock, redirection, checkMs }))
  }
  void Promise.all([pods.synced, exceptions.synced, identities.synced]).then(() => {
    synced = true
  })
  return { port: server.port, healthPort: health.port, metricsPort: status.port }
}

interface Identities extends Running {
  synced: Promise<void>
  findIdentity: FindIdentity
}

/** Where the identity of a pod is looked up, by the mode. */
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
  // Those of this node, by the label that the controller gives them: what a node costs does not depend on the others.
  const labelSelector = `${podIdentityNames.nodeLabel}=${config.nodeName}`
  const keep = (one: AzureAssignedIdentity) => one
  const following = followInto(assigned, kube, resources.azureAssignedIdentities, { labelSelector, clock, log, keep })
  const findIdentity = createFindAssigned({
    assignmentsOf: ({ namespace, name }) =>
      [...assigned.values()].filter(({ spec }) => spec.pod === name && spec.podNamespace === namespace),
    forceNamespaced: config.forceNamespaced,
    attemptsForCreated: config.attemptsForCreated,
    attemptsForAssigned: config.attemptsForAssigned,
    retryMs: config.findRetryMs,
    clock,
  })
  return { ...following, findIdentity }
}

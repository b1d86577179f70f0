import type { Running } from '#lib'
import type { PodNetwork } from '../network/pod-network.ts'
import { type ControllerContext, runControllers } from './controller.ts'
import { daemonSets } from './daemon-sets.ts'
import { deployments } from './deployments.ts'
import { garbageCollector } from './garbage-collector.ts'
import { namespaceDefaults, namespaceDeletion } from './namespaces.ts'
import { replicaSets } from './replica-sets.ts'
import { scheduler } from './scheduler.ts'
import { apiServerService, services } from './services.ts'

/** Starts the controllers that make a collection of objects a cluster. `ca` is the PEM that pods trust. */
export function startControllers(
  context: Omit<ControllerContext, 'creations'>,
  { ca, network }: { ca: string; network: PodNetwork | undefined },
): Running {
  return runControllers(context, [
    namespaceDefaults(ca),
    namespaceDeletion,
    deployments,
    replicaSets,
    daemonSets,
    scheduler,
    garbageCollector,
    apiServerService(network !== undefined),
    ...(network === undefined ? [] : [services(network)]),
  ])
}
